import unittest

from inferno_plugin import Err

from plugin import Catalog


class TestCatalog(unittest.TestCase):
    def test_what_is_found_can_be_resolved(self):
        [entry] = Catalog().search("in", None).entries
        self.assertEqual(entry.name, "tiny")
        self.assertEqual(Catalog().resolve(entry.name, None)[0].size_bytes, 1024)

    def test_what_is_not_there_is_not_found(self):
        self.assertEqual(Catalog().search("huge", None).entries, [])
        with self.assertRaises(Err):
            Catalog().resolve("huge", None)


if __name__ == "__main__":
    unittest.main()
