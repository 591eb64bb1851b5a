import unittest

from inferno_plugin import Emit, Item, Reject

from plugin import Step


class TestStep(unittest.TestCase):
    def process(self, data):
        step = Step()
        step.open("{}")
        [outcome] = step.process([Item("1", data)])
        return outcome

    def test_words_are_counted(self):
        self.assertEqual(
            self.process('{"text": "a small fox"}'), Emit([Item("1", '{"text": "a small fox", "words": 3}')])
        )

    def test_an_item_without_text_is_rejected(self):
        self.assertIsInstance(self.process('{"text": 3}'), Reject)


if __name__ == "__main__":
    unittest.main()
