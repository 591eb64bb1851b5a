"""What happens before and after componentize-py; it is run once, since it takes a while."""

import importlib.util
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from inferno_plugin import Err, failure
from inferno_plugin._build import Failure, build, manifest, scan, tool
from inferno_plugin._play import play

ROOT = Path(__file__).resolve().parent.parent
TOML = '[plugin]\nname = "sample"\n[roles.judge]\n'


class TestBuild(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.write("plugin.toml", TOML)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def fails(self, call, *arguments):
        with self.assertRaises(Failure) as raised:
            call(*arguments)
        return str(raised.exception).replace(f"{self.folder}", "FOLDER")

    def test_imports_are_followed_through_the_folder(self):
        self.write("plugin.py", "import json\nfrom inferno_plugin import Item, log\nimport parts.one\n")
        self.write("parts/__init__.py", "from . import two")
        self.write("parts/one.py", "from inferno_plugin.kv import get\nimport plugin")
        self.write("parts/two.py", "def late():\n    import inferno_plugin.quota as budget")
        self.write("unused.py", "from inferno_plugin import models")
        self.assertEqual(scan.used(self.folder), ["kv", "log", "quota"])

    def test_what_is_used_must_be_asked_for(self):
        self.write("plugin.py", "from inferno_plugin import kv, inference, log")
        said = self.fails(build.build, self.folder)
        expected = (
            "FOLDER/plugin.toml: the plugin uses inference and kv, which it must ask for:"
            '\n\n[asks]\ninference = { models = ["*"] }\nkv = true'
        )
        self.assertEqual(said, expected)

    def test_errors_say_what_to_mend_and_where(self):
        self.assertEqual(self.fails(scan.used, self.folder), "FOLDER has no plugin.py")
        self.write("plugin.py", "\ndef x(:")
        self.assertEqual(self.fails(scan.used, self.folder), "FOLDER/plugin.py:2: invalid syntax")
        self.write("plugin.toml", "[roles.oracle]")
        self.assertIn("there is no role oracle; there are step, ", self.fails(manifest.read, self.folder))
        self.write("plugin.toml", "[roles")
        self.assertTrue(self.fails(manifest.read, self.folder).startswith("FOLDER/plugin.toml: "))
        (self.folder / "plugin.toml").unlink()
        self.assertIn("there is no such file", self.fails(manifest.read, self.folder))

    @unittest.skipUnless(importlib.util.find_spec("componentize_py"), "componentize-py is not installed")
    def test_a_plugin_that_does_not_start_is_told_without_the_tools_own_stack(self):
        self.write("plugin.py", "import nowhere")
        self.assertEqual(
            self.fails(build.build, self.folder),
            "sample does not start: Traceback (most recent call last):\n"
            '  File "plugin.py", line 1, in <module>\n'
            "    import nowhere\n"
            "ModuleNotFoundError: No module named 'nowhere'",
        )
        self.assertEqual([file.name for file in self.folder.glob("plugin.wasm*")], [])

    def test_the_guides_plugin_passes_its_test(self):
        guide = (ROOT / "README.md").read_text()
        for text, name in re.findall(r"```\w+\n(# (\S+)\n.*?)```", guide, re.DOTALL):
            self.write(name, text)
        self.assertEqual(scan.used(self.folder), [])
        command = [sys.executable, "-m", "inferno_plugin", "test", str(self.folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Ran 1 test", done.stderr)

    def test_a_call_of_the_host_at_the_build_is_told(self):
        said = tool.worded("AssertionError: \n\nCaused by:\n  1: called trapping stub: inferno:host/kv@0.1.0#get\n")
        self.assertTrue(said.startswith("it calls inferno:host/kv@0.1.0#get while its modules load"), said)


class Counter:
    made = 0

    def __init__(self):
        Counter.made += 1
        self.count = 0

    def add(self, by):
        if by < 0:
            raise failure("invalid", "less than nothing")
        self.count += by
        return self.count

    def divide(self, by):
        return self.count / by


class TestPlay(unittest.TestCase):
    def test_all_functions_share_one_object(self):
        played = play(Counter, ["add", "divide"])
        # As componentize-py does it: one object for each function.
        add, divide = played().add, played().divide
        before = Counter.made
        self.assertEqual((add(2), add(2), divide(2)), (2, 4, 2))
        self.assertEqual(Counter.made, before + 1)

    def test_failures_stay_and_mistakes_become_failures(self):
        played = play(Counter, ["add", "divide"])()
        with self.assertRaises(Err) as raised:
            played.add(-1)
        self.assertEqual(raised.exception.value.message, "less than nothing")
        with self.assertRaises(Err) as raised:
            played.divide(0)
        self.assertRegex(
            raised.exception.value.message,
            r"^the plugin failed in divide \(test_build\.py:\d+\): ZeroDivisionError: division by zero$",
        )

    def test_a_missing_method_is_named(self):
        with self.assertRaisesRegex(TypeError, "class Counter has no method finish"):
            play(Counter, ["add", "finish"])


if __name__ == "__main__":
    unittest.main()
