"""A catalog: says what can be installed. It proposes; the host downloads, verifies and installs."""

from inferno_plugin import failure
from inferno_plugin.roles import Catalog as CatalogRole
from inferno_plugin.roles import catalog

TINY = catalog.Entry("model", "tiny", "1.0.0", "A very small model")


class Catalog(CatalogRole):
    def search(self, query: str, cursor: str | None) -> catalog.Page:
        return catalog.Page([TINY] if query in TINY.name else [], None)

    def resolve(self, name: str, version: str | None) -> list[catalog.Artifact]:
        if name != TINY.name or version not in (None, TINY.version):
            raise failure(
                "not-found", f'there is no "{name}" in this version here', f"there is {TINY.name} {TINY.version}"
            )
        return [catalog.Artifact("https://models.example.com/tiny.gguf", f"sha256:{'0' * 64}", 1024)]
