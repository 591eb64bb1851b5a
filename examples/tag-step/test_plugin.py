import json
import unittest

from inferno_plugin import Drop, Emit, Err, Item, Reject, testing

from plugin import Step

CONFIG = {"tags": {"animals": ["cat", "dog"], "food": ["bread", "crème brûlée"]}}


class TestTagStep(unittest.TestCase):
    def setUp(self):
        self.host = testing.lend()
        self.step = Step()
        self.step.open(json.dumps(CONFIG))

    def process(self, *data):
        return self.step.process([Item(str(at), text) for at, text in enumerate(data)])

    def tags(self, text):
        [outcome] = self.process(json.dumps({"text": text}))
        self.assertIsInstance(outcome, Emit)
        [item] = outcome.value
        return json.loads(item.data)["tags"]

    def test_whole_words_give_tags(self):
        self.assertEqual(self.tags("The Cat eats bread."), ["animals", "food"])
        self.assertEqual(self.tags("a catalogue of breadth"), [])
        self.assertEqual(self.tags("CRÈME BRÛLÉE"), ["food"])

    def test_the_rest_of_a_record_stays(self):
        [outcome] = self.process('{"text": "a dög and a dog", "page": 3}')
        expected = '{"text": "a dög and a dog", "page": 3, "tags": ["animals"]}'
        self.assertEqual(outcome, Emit([Item("0", expected)]))

    def test_what_is_empty_is_dropped(self):
        self.assertEqual(self.process('{"text": " "}', "{}"), [Drop('"text" is empty')] * 2)

    def test_what_is_malformed_is_rejected_and_the_rest_goes_on(self):
        outcomes = self.process("{", "[]", '{"text": 3}', '{"text": "dog"}')
        self.assertEqual([type(outcome) for outcome in outcomes], [Reject, Reject, Reject, Emit])
        self.assertTrue(outcomes[0].value.startswith("the data is not JSON: "))
        self.assertEqual(outcomes[1].value, 'the data must be an object whose "text" is text')

    def test_the_end_says_how_many(self):
        self.process('{"text": "dog"}', '{"text": "cat"}')
        self.assertEqual(self.step.finish(), [])
        self.assertEqual(self.host.log, [("info", "items tagged", {"animals": "2", "food": "0"})])

    def test_a_configuration_without_tags_is_refused(self):
        for config in ["{", "[]", "{}", '{"tags": {"x": []}}', '{"tags": {"x": "cat"}}', '{"tags": {"x": [""]}}']:
            with self.subTest(config), self.assertRaises(Err) as raised:
                Step().open(config)
            self.assertIn("the configuration ", raised.exception.value.message)


if __name__ == "__main__":
    unittest.main()
