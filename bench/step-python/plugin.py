"""Counts the words of a text, as the step in Rust beside it does."""

import json

from inferno_plugin import Emit, Item, Outcome
from inferno_plugin.roles import Step as StepRole


class Step(StepRole):
    def open(self, config: str) -> None:
        pass

    def process(self, batch: list[Item]) -> list[Outcome]:
        return [self.count(item) for item in batch]

    def finish(self) -> list[Item]:
        return []

    def count(self, item: Item) -> Outcome:
        record = json.loads(item.data)
        record["words"] = len(record.get("text", "").split())
        return Emit([Item(item.id, json.dumps(record, ensure_ascii=False, separators=(",", ":")))])
