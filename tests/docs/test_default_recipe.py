"""The numbers in docs/tuning.md are those of the committed result files."""

from benchmarks.default_docs import PAGE, page


def test_the_page_has_the_tables_of_the_result_files() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
    assert page(text.replace("| **the rules** | 0.842", "| **the rules** | 0.999")) == text
