"""The documents agree with what stands beside them: links lead somewhere, indexes are whole, examples are valid."""

import re
import shutil

import pytest

from fluxhouse.catalog.loading import read

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")  # links with a scheme are not followed


def documents(root):
    return [*root.glob("*.md"), *(root / "docs").rglob("*.md")]


def dead_links(pages):
    """Every relative link that leads to nothing."""
    for page in pages:
        for target in LINK.findall(page.read_text("utf-8")):
            if not (page.parent / target).exists():
                yield f"{page.name}: {target}"


def test_links_lead_somewhere(root):
    """No document links to a file that is not there."""
    violations = list(dead_links(documents(root)))
    assert not violations, "\n".join(violations)


def test_a_dead_link_is_found(tmp_path):
    """A link to a missing file is a violation, one to another host is not looked at."""
    page = tmp_path / "page.md"
    page.write_text("[a](missing.md) [b](page.md#part) [c](https://example.com/missing.md)")
    assert list(dead_links([page])) == ["page.md: missing.md"]


def test_the_index_lists_every_decision(root):
    """Each record stands in the index, with a status and an area in its own head."""
    folder = root / "docs" / "decisions"
    records = [record for record in sorted(folder.glob("[0-9]*.md")) if record.name != "0000-template.md"]
    index = (folder / "index.md").read_text("utf-8")
    assert [record.name for record in records if f"]({record.name})" not in index] == []
    heads = [record.read_text("utf-8").splitlines()[2] for record in records]
    assert all(re.fullmatch(r"Status: (accepted|superseded by \d{4}) · Area: .+ · Date: .+", head) for head in heads)


def test_the_glossary_says_each_word_once(root):
    """One concept, one word, one line."""
    rows = re.findall(r"^\| (.+?) \|", (root / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE)
    words = [word for row in rows if row not in ("Word", "---") for word in row.split(", ")]
    assert sorted(words) == sorted(set(words))


def test_every_room_has_its_sentence_in_the_architecture_page(root, house):
    """The floor table names every room that stands."""
    page = (root / "docs" / "architecture.md").read_text("utf-8")
    rooms = {source.path.parts[0].removesuffix(".py") for source in house} - {"__init__"}
    assert {room for room in rooms if f"| `{room}` |" not in page} == set()


def test_the_example_of_a_model_is_a_model(root, tmp_path):
    """The catalog reads the file that the guide shows, in the place of the one it abridges."""
    guide = (root / "docs" / "howto" / "add-a-model.md").read_text("utf-8")
    example = "\n".join(line[3:] for line in re.search(r"```toml\n(.*?)```", guide, re.DOTALL)[1].splitlines())
    shutil.copytree(root / "src" / "fluxhouse" / "catalog", tmp_path / "catalog")
    (tmp_path / "catalog" / "models" / "flux-dev.toml").write_text(example, "utf-8")
    (model,) = (model for model in read(tmp_path / "catalog") if model.id == "flux-dev")
    assert model.parameter("num_inference_steps").maximum == 28


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md", "docs/glossary.md"])
def test_the_first_pages_stay_short(root, page):
    """What a newcomer reads first does not grow beyond a few screens."""
    assert len((root / page).read_text("utf-8").splitlines()) <= 150
