import contextlib
import io
import unittest

from plugin import Command


class TestCommand(unittest.TestCase):
    def said(self, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            Command().run(list(arguments))
        return out.getvalue()

    def test_somebody_is_greeted(self):
        self.assertEqual(self.said("Ada"), "Hello, Ada!\n")
        self.assertEqual(self.said(), "Hello, world!\n")


if __name__ == "__main__":
    unittest.main()
