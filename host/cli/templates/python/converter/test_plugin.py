import unittest

from inferno_plugin import Err

from plugin import ROUTE, Converter, vocabulary


class TestConverter(unittest.TestCase):
    def test_words_are_sorted_and_unique(self):
        self.assertEqual(vocabulary("fox a fox", upper=False), "a\nfox\n")
        self.assertEqual(vocabulary("fox Fox", upper=True), "FOX\n")

    def test_mistyped_options_are_refused(self):
        with self.assertRaises(Err):
            Converter().convert(ROUTE, '{"uper": true}')


if __name__ == "__main__":
    unittest.main()
