import unittest

from inferno_plugin.http import Request

from plugin import Http


class TestHttp(unittest.TestCase):
    def answer(self, body):
        return Http().handle(Request("POST", "/{{name}}", [], body)).body

    def test_words_are_counted(self):
        self.assertEqual(self.answer(b"a small fox"), "3 words\n")
        self.assertEqual(self.answer(b""), "0 words\n")


if __name__ == "__main__":
    unittest.main()
