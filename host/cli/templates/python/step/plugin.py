"""A step of a pipeline: adds the number of words of a field to each item."""

import json

from inferno_plugin import Emit, Item, Outcome, Reject, failure
from inferno_plugin.roles import Step as StepRole


class Step(StepRole):
    def open(self, config: str) -> None:
        try:
            self.field = json.loads(config).get("field", "text")
        except ValueError as error:
            raise failure("invalid", f"the configuration is not JSON: {error}") from error

    def process(self, batch: list[Item]) -> list[Outcome]:
        return [self.count(item) for item in batch]

    def finish(self) -> list[Item]:
        return []

    def count(self, item: Item) -> Outcome:
        try:
            record = json.loads(item.data)
        except ValueError as error:
            return Reject(f"the data is not JSON: {error}")
        if not isinstance(record, dict) or not isinstance(record.get(self.field), str):
            return Reject(f'it has no text in the field "{self.field}"')
        record["words"] = len(record[self.field].split())
        return Emit([Item(item.id, json.dumps(record, ensure_ascii=False))])
