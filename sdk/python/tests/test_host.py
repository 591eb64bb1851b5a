"""What tests of plugins see of the host."""

import unittest
from unittest import mock

from inferno_plugin import Err, failure, inference, kv, log, quota, secrets, settings, testing
from inferno_wit.imports import types


class TestHost(unittest.TestCase):
    def fails(self, kind, call, *arguments):
        with self.assertRaises(Err) as raised:
            call(*arguments)
        self.assertIsInstance(raised.exception.value.kind, kind)
        return raised.exception.value

    def test_what_is_not_lent_is_denied_and_how_to_lend_it_is_told(self):
        testing.lend()
        error = self.fails(types.ErrorKind_Denied, quota.remaining, "tokens")
        self.assertEqual(error.message, "the test lends no quota")
        self.assertEqual(error.hint, "call testing.lend(quota=...) first")

    def test_what_was_lent_before_is_gone(self):
        testing.lend(secrets={"token": "t"}, kv={"a": b"1"})
        self.assertEqual(secrets.get("token"), "t")
        self.fails(types.ErrorKind_NotFound, secrets.get, "other")
        testing.lend()
        self.fails(types.ErrorKind_Denied, secrets.get, "token")
        self.assertIsNone(kv.get("a"))

    def test_settings_and_the_log(self):
        host = testing.lend(settings={"limit": 3})
        self.assertEqual(settings.get("limit"), "3")
        self.assertIsNone(settings.get("other"))
        log.log(log.Level.WARN, "careful", [("why", "edge")])
        self.assertEqual(host.log, [("warn", "careful", {"why": "edge"})])

    def test_kv_counts_expires_and_lists_in_order(self):
        with mock.patch("time.monotonic") as clock:
            clock.return_value = 0
            testing.lend(kv={"a/2": b"two"})
            kv.set("a/1", b"one", 1000)
            self.assertEqual(kv.add("hits", 2, 1000), 2)
            self.assertEqual(kv.add("hits", -5, None), -3)
            self.assertEqual(kv.keys("a/", None), ["a/1", "a/2"])
            self.assertEqual(kv.keys("a/", "a/1"), ["a/2"])
            clock.return_value = 1
            self.assertEqual(kv.keys("", None), ["a/2"])
            self.assertIsNone(kv.get("hits"))
            self.assertFalse(kv.delete("a/1"))
            self.assertTrue(kv.delete("a/2"))

    def test_a_model_is_a_function_of_what_it_is_asked(self):
        host = testing.lend(inference=lambda asked: f"{asked.messages[0][1]}, {asked.options['max_tokens']}")
        request = inference.Request("small")
        request.message(inference.Role.USER, "hello")
        request.max_tokens(5)
        request.image(5, b"GIF89a")
        self.assertEqual(inference.complete(request).text(), "hello, 5")
        # Which message, where in it, and what.
        options = {"max_tokens": 5, "image": [(0, 5, b"GIF89a")]}
        self.assertEqual(host.requests, [testing.Asked("small", [("user", "hello")], [], options)])
        with self.assertRaises(AttributeError):
            request.max_token(5)

    def test_failures_have_kinds(self):
        self.assertEqual(failure("context-length", "m").value.kind, types.ErrorKind_ContextLength())
        self.assertEqual(failure("teapot", "m").value.kind, types.ErrorKind_Other("teapot"))
        self.assertEqual(failure("other", "m").value.kind, types.ErrorKind_Other("other"))


if __name__ == "__main__":
    unittest.main()
