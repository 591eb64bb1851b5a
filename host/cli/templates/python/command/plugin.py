"""A command: `inferno {{name}} [NAME]`."""

from inferno_plugin.roles import Command as CommandRole


class Command(CommandRole):
    def run(self, arguments: list[str]) -> None:
        name = arguments[0] if arguments else "world"
        print(f"Hello, {name}!")
