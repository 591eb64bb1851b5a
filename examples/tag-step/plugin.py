"""Adds tags to each item, from a table of keywords in the configuration:

    { "tags": { "animals": ["cat", "dog"], "food": ["bread"] }, "field": "text" }

`field` names the text in an item that is looked at and may be left out. Case does not matter; only whole words count.
"""

import json
import re

from inferno_plugin import Drop, Emit, Item, Outcome, Reject, failure, log
from inferno_plugin.roles import Step as StepRole


class Step(StepRole):
    def open(self, config: str) -> None:
        try:
            options = json.loads(config)
        except ValueError as error:
            raise failure("invalid", f"the configuration is not JSON: {error}") from error
        tags = options.get("tags") if isinstance(options, dict) else None
        if not isinstance(tags, dict) or not all(is_words(words) for words in tags.values()):
            raise failure(
                "invalid",
                "the configuration has no table of tags",
                'write { "tags": { "animals": ["cat", "dog"] } }',
            )
        self.field = options.get("field", "text")
        self.tags = {tag: re.compile(rf"\b({'|'.join(map(re.escape, words))})\b", re.I) for tag, words in tags.items()}
        self.counts = dict.fromkeys(tags, 0)

    def process(self, batch: list[Item]) -> list[Outcome]:
        return [self.tag(item) for item in batch]

    def finish(self) -> list[Item]:
        log.log(log.Level.INFO, "items tagged", [(tag, str(count)) for tag, count in self.counts.items()])
        return []

    def tag(self, item: Item) -> Outcome:
        try:
            record = json.loads(item.data)
        except ValueError as error:
            return Reject(f"the data is not JSON: {error}")
        if not isinstance(record, dict) or not isinstance(record.get(self.field, ""), str):
            return Reject(f'the data must be an object whose "{self.field}" is text')
        text = record.get(self.field, "").strip()
        if not text:
            return Drop(f'"{self.field}" is empty')
        found = [tag for tag, words in self.tags.items() if words.search(text)]
        for tag in found:
            self.counts[tag] += 1
        record["tags"] = found
        return Emit([Item(item.id, json.dumps(record, ensure_ascii=False))])


def is_words(words: object) -> bool:
    return isinstance(words, list) and bool(words) and all(isinstance(word, str) and word for word in words)
