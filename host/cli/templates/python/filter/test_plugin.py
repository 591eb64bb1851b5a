import unittest

from inferno_plugin.roles import filter as words

from plugin import Filter


class TestFilter(unittest.TestCase):
    def action(self, body):
        return Filter().request(words.RequestHead("POST", "/v1/chat/completions", []), body)

    def test_only_the_word_is_refused(self):
        self.assertEqual(self.action(b"say xyzzy").value.status, 400)
        self.assertEqual(self.action(b"say hello"), words.RequestAction_Pass())


if __name__ == "__main__":
    unittest.main()
