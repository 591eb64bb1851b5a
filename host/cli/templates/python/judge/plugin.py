"""A judge: passes answers of at most so many words."""

import json

from inferno_plugin import Sample, Verdict, failure
from inferno_plugin.roles import Judge as JudgeRole


class Judge(JudgeRole):
    def judge(self, config: str, samples: list[Sample]) -> list[Verdict]:
        most = words(config)
        return [verdict(sample, most) for sample in samples]


def verdict(sample: Sample, most: int) -> Verdict:
    count = len(sample.answer.split())
    passed = count <= most
    return Verdict(passed, 1.0 if passed else 0.0, f"{count} words; at most {most} were wanted")


def words(config: str) -> int:
    """What a suite configures, as `{ "words": 3 }`."""
    try:
        options = json.loads(config)
    except ValueError as error:
        raise failure("invalid", f"the configuration is not JSON: {error}") from error
    unknown = [name for name in options if name != "words"]
    if unknown:
        raise failure("invalid", f'the configuration has "{unknown[0]}"; known is words')
    return int(options.get("words", 100))
