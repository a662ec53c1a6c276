"""The page and the decision record: same records, same bytes; nothing fetched; every status says what it is."""

import json
import re
import struct
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.decide import decide
from harness.page import data_block
from harness.policy import Policy
from harness.record import render_record
from harness.report import read_report, render_page, write_report
from harness.sections.configurations import Configurations
from harness.table import Sweep
from harness.wording import percent, score, signed, size
from tests.small_sweep import FOUR, POLICY, candidate, failed, small_sweep

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>$x^2$"


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else self._inside

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        self.text += "" if self._inside else f"{data} "


def page(sweep: Sweep, policy: Policy = POLICY) -> str:
    return render_page(read_report(sweep, decide(sweep, policy)))


def first_screen(html: str) -> str:
    start = html.index('<section id="decision"')
    return " ".join(Elements(html[start : html.index("</section>", start)]).text.split())


def test_the_same_records_give_the_same_bytes_in_all_three_files(tmp_path: Path) -> None:
    sweep = small_sweep()
    decision = decide(sweep, POLICY)
    first, second = (write_report(sweep, decision, tmp_path / name) for name in ("a", "b"))
    assert first.name == "index.html"
    assert first.read_bytes() == second.read_bytes()
    figures = sorted(path.name for path in (tmp_path / "a" / "figures").iterdir())
    assert figures == [f"{name}.{kind}" for name in ("bytes", "forest", "latency") for kind in ("png", "svg")]
    for name in ("decision.md", "decision.json", *(f"figures/{name}" for name in figures)):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert json.loads((tmp_path / "a" / "decision.json").read_text("utf-8")) == json.loads(json.dumps(decision))


def test_the_page_refers_to_nothing_outside_itself_and_forbids_fetching() -> None:
    html = page(small_sweep())
    for tag, attrs in Elements(html).tags:
        for name in ("src", "href", "srcset", "action", "xlink:href"):
            assert (attrs.get(name) or "#").startswith("#"), (tag, attrs)
    assert "@import" not in html
    assert "url(http" not in html
    assert (
        "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\"" in html
    )


def test_ids_on_the_page_are_unique_and_every_link_has_its_target() -> None:
    tags = Elements(page(small_sweep())).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {(a.get("href") or "#main")[1:] for _, a in tags} <= set(ids)


def test_headings_are_in_order_and_every_table_has_a_caption_and_scopes() -> None:
    html = page(small_sweep())
    tags = Elements(html).tags
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert html.count("<table") == html.count("<caption")
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in tags if tag == "th")


def test_a_decided_sweep_names_the_pick_its_numbers_and_their_limits_first() -> None:
    shown = first_screen(page(small_sweep()))
    assert "✓ Decided by the policy" in shown
    assert "Use large · mean · 768 · int8" in shown
    for number in ("0.598", "20.0 ms", "limit 30 ms", "750 B", "limit 3 000 B", "375 KB", "no limit set"):
        assert number in shown
    assert "100 documents per second, batch 32" in shown


def test_too_few_queries_give_no_pick_and_the_number_that_would_settle_it() -> None:
    sweep = small_sweep(
        [candidate("large", "float32", 0.60, 3000), candidate("large", "int8", 0.59, 750)], queries=12, noise=0.1
    )
    decision = decide(sweep, POLICY)
    assert decision["status"] == "insufficient evidence"
    shown = first_screen(page(sweep))
    assert "? Insufficient evidence" in shown
    assert "No pick" in shown
    assert f"12 queries scored about {decision['queries_needed']} needed" in shown
    assert "Best measured so far: large · mean · 768 · float32" in shown
    assert "Use large" not in shown


def test_nothing_within_the_limits_lists_who_misses_which_and_relaxes_none() -> None:
    shown = first_screen(page(small_sweep(), Policy(draws=300, limits={"query_p95_ms": 1})))
    assert "✕ Nothing meets the limits" in shown
    assert "query p95 at most 1 ms" in shown
    assert "No limit was relaxed" in shown
    assert shown.index("large · mean · 768 · float32") < shown.index("small · mean · 768 · float32")
    assert "limit 1" in shown


def test_labels_that_favour_one_engine_make_the_pick_provisional_and_show_both_scorings() -> None:
    sweep = small_sweep()
    decision = decide(sweep, POLICY) | {"status": "labels favour one engine"}
    shown = first_screen(render_page(read_report(sweep, decision)))
    assert "! Labels favour one engine" in shown
    assert "Only provisional: large · mean · 768 · int8" in shown
    assert "Condensed nDCG@10" in shown
    assert "Judged@10" in shown


def test_a_sweep_without_any_result_says_so_and_lists_the_reasons() -> None:
    sweep = small_sweep()
    for at in range(len(sweep.manifest["variants"])):
        sweep = failed(sweep, at, f"CUDA out of memory {at}")
    html = page(sweep)
    assert "No pick: no candidate finished on every eval set" in first_screen(html)
    assert all(html.count(f"CUDA out of memory {at}") >= 2 for at in range(4))
    assert "4 configurations, 0 finished, 4 failed" in html
    assert 'id="tradeoffs"' not in html


def test_failed_skipped_and_unplanned_configurations_are_shown_with_their_reason() -> None:
    lost = {"model": "ghost", "retriever": "dense", "pooling": "-", "dim": "-", "quantization": "-", "index": "-"}
    sweep = small_sweep(unplanned=[lost | {"task": "helpdesk", "status": "skipped", "reason": "hub not reachable"}])
    html = page(failed(sweep, 2, "timeout after 3600 s"))
    table = html[html.index('id="all"') :]
    assert "failed: timeout after 3600 s" in table
    assert "skipped: hub not reachable" in table
    assert "5 configurations, 3 finished, 1 failed, 1 skipped" in html


@pytest.mark.parametrize(
    "sweep",
    [
        small_sweep(FOUR[:1]),
        small_sweep(queries=1),
        small_sweep(tasks=("helpdesk", "scifact", "intern")),
        small_sweep([c | {"p95": None} for c in FOUR]),
        small_sweep([FOUR[0], FOUR[3] | {"p95": None}]),
        small_sweep()._replace(records={}),
    ],
    ids=["one candidate", "one query", "three eval sets", "no timing", "some timing", "no record"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_sweeps_with_little_in_them_render(sweep: Sweep) -> None:
    decision = decide(sweep, Policy(draws=300))
    html = render_page(read_report(sweep, decision))
    assert html.count("<section") == html.count("</section>") >= 5
    assert "nan" not in re.findall(r"<td[^>]*>([^<]*)</td>", html)
    assert "## Reproduce" in render_record(decision, sweep.manifest)


def test_missing_speeds_are_shown_as_missing_never_as_zero() -> None:
    sweep = small_sweep([c | {"p95": None} for c in FOUR])
    html = render_page(read_report(sweep, decide(sweep, Policy(draws=300))))
    assert "No speed was measured in this sweep" in html
    assert "No latency was measured" in html
    assert "– query p95" in first_screen(html)


def test_hostile_names_are_text_everywhere() -> None:
    found = [dict(c) | {"model": c["model"] + HOSTILE} for c in FOUR]
    sweep = small_sweep(found, tasks=("helpdesk", HOSTILE))
    sweep.manifest["sweep"] = sweep.manifest["command"] = HOSTILE
    sweep.manifest["evalsets"][HOSTILE]["notes"] = [
        {"code": "x", "level": "warning", "place": HOSTILE, "message": HOSTILE, "effect": "", "fix": "", "count": 1}
    ]
    html = page(failed(sweep, 0, HOSTILE))
    elements = Elements(html)
    assert [tag for tag, _ in elements.tags].count("script") == 2
    assert not [tag for tag, attrs in elements.tags if tag == "img" or any(a.startswith("on") for a in attrs)]
    assert "$x^2$" in elements.text
    assert HOSTILE in elements.text


def test_hostile_names_do_not_break_the_record_either() -> None:
    sweep = small_sweep([dict(c) | {"model": "a|b`c<script>\n# x"} for c in FOUR])
    text = render_record(decide(sweep, POLICY), sweep.manifest)
    assert "<script>" not in text.replace("\\<", "")
    assert "\n# x" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows[:4]}
    assert len(widths) == 1


def test_a_data_block_cannot_close_its_script() -> None:
    text = str(data_block({"name": "</script><!--&"}))
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"name": "</script><!--&"}


def test_the_record_tells_the_pick_the_numbers_and_the_dates_under_the_agreed_headings() -> None:
    sweep = small_sweep()
    text = render_record(decide(sweep, POLICY), sweep.manifest)
    front = text.split("---")[1]
    assert front.split("\n") == [
        "", "status: proposed", "date: 2026-03-31", "decision-makers: []", "supersedes:", "review-by: 2026-09-30", "",
    ]  # fmt: skip
    assert re.findall(r"^## (.*)$", text, re.M) == [
        "Decision", "Read before you sign", "Context", "Limits and margin", "How 4 became 1", "Candidates compared",
        "What would change it", "Evidence quality", "Not measured", "Consequences", "Confirmation and review-by date",
        "Reproduce",
    ]  # fmt: skip
    assert "large · mean · 768 · int8: mean nDCG@10 0.598, query p95 20.0 ms, 750 bytes per document" in text
    assert "first ran on 2026-03-31" in text
    assert "query p95 at most 30 ms" in text
    assert "takes about 5.00 seconds" in text
    assert "\n    harness run experiment=unit\n" in text


def test_the_record_counts_one_thing_as_one() -> None:
    sweep = small_sweep(FOUR[:1])
    text = render_record(decide(sweep, POLICY), sweep.manifest)
    assert "1 candidate was asked for, on 1 eval set:" in text
    assert "1 configuration is 1 candidate, batch size aside. 1 finished on every eval set, 1 meets every limit" in text
    four = small_sweep(tasks=("helpdesk", "scifact"))
    assert "4 candidates were asked for, on 2 eval sets:" in render_record(decide(four, POLICY), four.manifest)


def test_the_record_says_where_a_querys_time_goes_where_the_pick_searches_in_steps() -> None:
    sweep = small_sweep()
    decision = decide(sweep, POLICY)
    assert "Where a query's time goes" not in render_record(decision, sweep.manifest)
    steps = {"helpdesk": "encode 8.3 + bm25: search 0.2 + fuse 0.1"}
    entries = [c | {"stages": steps} if c["id"] == decision["pick"] else c for c in decision["candidates"]]
    text = render_record(decision | {"candidates": entries}, sweep.manifest)
    assert "(median ms of each stage): helpdesk: encode 8.3 + bm25: search 0.2 + fuse 0.1." in text


def test_numbers_are_written_without_false_zeros_or_hyphens() -> None:
    assert signed(-0.0046, 3) == "−0.005"
    assert signed(-0.0001, 3) == "0.000"
    assert signed(0.0123, 3) == "+0.012"
    assert (score(None), signed(None), size(None), percent(None)) == ("–", "–", "–", "–")
    assert (size(384), size(125_952), size(3_000_000_000)) == ("384 B", "126 KB", "3.00 GB")
    assert (percent(0.999), percent(1.0), percent(0.001), percent(0.0)) == ("over 99 %", "100 %", "under 1 %", "0 %")


def test_figures_stand_alone_in_the_light_colours(tmp_path: Path) -> None:
    found = [dict(c) | {"model": c["model"] + HOSTILE + "\x1b\u202e"} for c in FOUR]
    sweep = small_sweep(found)
    write_report(sweep, decide(sweep, POLICY), tmp_path)
    colours = {"#0b5c33", "#dcf9e3", "#1b1f26"}  # the pick, the margin and text
    for path in sorted((tmp_path / "figures").glob("*.svg")):
        text = path.read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag.endswith("svg"), "well-formed, whatever a name holds"
        assert "var(--" not in text and "#0a0b" not in text and "<script" not in text
        assert path.stem != "forest" or all(colour in text for colour in colours)
    raw = (tmp_path / "figures" / "latency.png").read_bytes()
    assert raw.startswith(b"\x89PNG") and struct.unpack(">II", raw[16:24]) == (1120, 800)


def test_the_page_holds_of_the_candidates_as_data_the_pick_and_the_reference_alone() -> None:
    html = page(small_sweep())
    data = json.loads(html[html.index('id="decision-data">') :].partition(">")[2].partition("</script>")[0])
    assert sorted(entry["id"] for entry in data["candidates"]) == sorted({data["pick"], data["reference"]})


@pytest.mark.parametrize(("large", "too_large"), [(10, 10**9), (10, 10)])
def test_a_large_page_says_so_and_a_too_large_one_leaves_out_rows(
    monkeypatch: pytest.MonkeyPatch, large: int, too_large: int
) -> None:
    monkeypatch.setattr("harness.report.LARGE", large)
    monkeypatch.setattr("harness.report.TOO_LARGE", too_large)
    sweep = small_sweep()
    html = render_page(read_report(sweep, decide(sweep, POLICY)), [Configurations(lean=3)])
    assert "This file is large" in html
    rows = html[html.index('id="all"') :].partition("</table>")[0].count('<tr data-c="')
    assert (rows, "The best 3 are shown" in html) == ((4, False) if too_large > large else (3, True))
    assert ("Texts, maps and the lower rows" in html) == (too_large == large)


def test_names_of_ten_thousand_characters_are_cut_and_what_steers_text_is_shown() -> None:
    found = [
        dict(c) | {"model": name}
        for c, name in zip(FOUR, ("x" * 10_000, "y " * 5_000, "a\u202eb", "\x1b[31m"), strict=True)
    ]
    html = page(small_sweep(found))
    assert not re.search(r"[^\s<>]{400}", re.sub(r"<(style|script).*?</\1>", "", html, flags=re.S))
    assert "a\ufffdb" in html and "\ufffd[31m" in html
    assert len(html) < 400_000
