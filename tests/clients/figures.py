"""Prometheus' own parser reads `/metrics`, which keeps to its conventions and says what happened."""

import os
import re
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

request = urllib.request.Request(
    f"http://{os.environ['INFERNO_ADDRESS']}/metrics",
    headers={"Authorization": "Bearer " + os.environ["INFERNO_API_KEY"]},
)
with urllib.request.urlopen(request, timeout=60) as answer:
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4"), answer.headers
    text = answer.read().decode()

families = list(text_string_to_metric_families(text))
names = [family.name for family in families]
assert len(names) == len(set(names)), "each family is there once"
for family in families:
    assert family.documentation and family.type in ("counter", "gauge", "histogram"), family
    assert re.fullmatch("(inferno|process|plugin)_[a-z0-9_]+", family.name), family.name
    if family.type != "counter":
        assert not family.name.endswith("_total"), family.name
declared = re.findall("# TYPE (\\S+) counter", text)
assert all(name.endswith("_total") for name in declared), declared

# The table in the documentation names each of them, and no other.
told = set(re.findall("^\\| `((?:inferno|process)_[a-z_]+)` \\|", open(os.environ["INFERNO_TABLE"]).read(), re.M))
shown = set(re.findall("# TYPE ((?:inferno|process)_\\S+) ", text))
# These are only there once a plugin was refused something, failed, or reported too much.
shown |= {"inferno_plugin_errors_total", "inferno_plugin_denials_total", "inferno_plugin_series_dropped_total"}
assert told == shown, (sorted(told - shown), sorted(shown - told))

samples = {(sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples}


def value(name, **labels):
    return samples[(name, *sorted(labels.items()))]


whose = {"model": "parrot", "tenant": "acme"}
assert value("inferno_model_requests_total", outcome="done", **whose) == 1
assert value("inferno_model_prompt_tokens_total", **whose) > 0
assert value("inferno_model_output_tokens_total", **whose) == 3
assert value("inferno_model_time_to_first_token_seconds_count", model="parrot") == 1
assert value("inferno_model_inter_token_seconds_count", model="parrot") >= 1
assert value("inferno_model_load_seconds_count", model="parrot") == 1
assert value("inferno_model_worker_restarts_total", model="parrot") == 0
assert value("inferno_model_queue_depth", model="parrot") == 0
assert value("inferno_model_memory_bytes", model="parrot") > 0
gateway = {"plugin": "gateway", "tenant": "acme"}
assert value("inferno_plugin_calls_total", **gateway) == 1
assert value("inferno_http_requests_total", method="POST", status="200", mount="/v1", **gateway) == 1
assert value("inferno_http_request_duration_seconds_count", mount="/v1", plugin="gateway") == 1
assert value("inferno_http_response_bytes_total", mount="/v1", **gateway) > 0
assert value("inferno_http_request_bytes_total", mount="/v1", **gateway) > 0
assert value("inferno_http_requests_in_flight") == 1
assert value("process_resident_memory_bytes") > 1_000_000
assert value("inferno_uptime_seconds") > 0
print("all hold")
