import unittest

from inferno_plugin import Err, Sample, Verdict

from plugin import Judge


class TestJudge(unittest.TestCase):
    def test_short_answers_pass(self):
        samples = [Sample("Say hello.", answer, None) for answer in ("Hello!", "Well, hello you")]
        verdicts = Judge().judge('{"words": 2}', samples)
        self.assertEqual(
            verdicts,
            [
                Verdict(True, 1.0, "1 words; at most 2 were wanted"),
                Verdict(False, 0.0, "3 words; at most 2 were wanted"),
            ],
        )

    def test_a_mistyped_configuration_is_refused(self):
        with self.assertRaises(Err):
            Judge().judge('{"wrds": 2}', [])


if __name__ == "__main__":
    unittest.main()
