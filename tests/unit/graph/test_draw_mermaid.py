"""A graph as a Mermaid flowchart."""

# ruff: noqa: RUF001 - the sign of a factor

import re
from textwrap import dedent

import pytest

from volnux.graph import compile, simulate
from volnux.graph.draw import mermaid
from volnux.pointy import parse

CHARTS = {
    "Fetch -> Check |-> Save": """
        flowchart TD
          n0["Fetch"]
          n1["Check"]
          n2["Save"]
          n0 --> n1
          n1 ==> n2
    """,
    "end * 3 (0 -> graph, 1 |-> end, 3 -> C)": """
        flowchart TD
          n0["end ×3"]
          n1["graph"]
          n2["end__2"]
          n3["C"]
          n0 -->|"0"| n1
          n0 ==>|"1"| n2
          n0 -->|"3"| n3
          linkStyle 0 stroke:#e0443e
          linkStyle 1 stroke:#2f9e54
    """,
    "{A || B} |-> {C || D}": """
        flowchart TD
          n0["A"]
          n1["B"]
          n2((" "))
          n3["C"]
          n4["D"]
          n0 === n2
          n1 === n2
          n2 ==> n3
          n2 ==> n4
    """,
    "{A || B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] -> C": """
        flowchart TD
          n0["A"]
          n1["B"]
          n2(("any"))
          n3["C"]
          n0 --- n2
          n1 --- n2
          n2 --> n3
    """,
    "{A -> {B} (0 -> C)} (0 |-> D) -> E": """
        flowchart TD
          subgraph g4[" "]
            n0["A"]
            subgraph g2[" "]
              n1["B"]
              n2((" "))
            end
            n3["C"]
            n4((" "))
          end
          n5["D"]
          n6["E"]
          n0 --> n1
          n1 --- n2
          n2 -->|"0"| n3
          n2 ---|"1"| n4
          n3 --- n4
          n4 ==>|"0"| n5
          n4 -->|"1"| n6
          n5 --> n6
          linkStyle 2,5 stroke:#e0443e
          linkStyle 3,6 stroke:#2f9e54
    """,
    "@on-failure: continue\nA -> B": """
        flowchart TD
          n0["A"]
          n1["B"]
          n0 -->|"0, 1"| n1
    """,
    'billing.Charge[timeout=30, executor="dask://host:1"]': """
        flowchart TD
          n0["billing.Charge<br/><small>executor=#34;dask#58;//host#58;1#34;</small>\
        <br/><small>timeout=30</small>"]
    """,
}


def chart(text: str, **how: object) -> str:
    return mermaid(compile(parse(text, "orders.pty")), **how)


@pytest.mark.parametrize("flow", CHARTS)
def test_charts(flow):
    expected = dedent(CHARTS[flow].replace("\\\n        ", "")).lstrip("\n")
    assert chart(flow) == expected.replace("        <br/>", "<br/>")


def test_units_with_each_task_and_again_are_boxes_with_a_title():
    assert chart(
        "L |-> {F |-> S}[each=url, at_once=8, task=t] |-> {C}[again=3] (0 -> X)"
    ) == dedent("""
        flowchart TD
          n0["L"]
          subgraph g5["each url, at_once=8"]
            n1((" "))
            subgraph g4["task t"]
              n2["F"]
              n3["S"]
              n4((" "))
            end
            n5((" "))
          end
          subgraph g11[" "]
            subgraph g7["again 3"]
              n6["C"]
              n7((" "))
            end
            n11((" "))
          end
          n12["X"]
          n0 === n1
          n1 ==> n2
          n2 ==> n3
          n3 === n4
          n4 === n5
          n5 ==> n6
          n6 --- n7
          n7 --- n11
          n11 -->|"0"| n12
          linkStyle 8 stroke:#e0443e
    """).lstrip("\n")


def test_copies_are_counted_and_rounds_have_their_states():
    graph = compile(parse("{L |-> Fetch[each=url] -> Check}[again=3]"))
    outcomes = {"Fetch[7]": 0, "Check.2": 0}
    places = simulate(graph, items={"url": 200}, places=outcomes).places
    text = mermaid(graph, states={place: report.state for place, report in places.items()})
    nodes = re.findall(r'\["(.*)"\]:::(\w+)$', text, re.M)
    assert nodes == [
        (
            "L<br/><small>round 1#58; done</small><br/><small>round 2#58; done</small>"
            "<br/><small>round 3#58; done</small>",
            "done",
        ),
        (
            "Fetch<br/><small>round 1#58; 199 done, 1 failed</small>"
            "<br/><small>round 2#58; 200 done</small><br/><small>round 3#58; 200 done</small>",
            "done",
        ),
        (
            "Check<br/><small>round 1#58; failed</small><br/><small>round 2#58; failed</small>"
            "<br/><small>round 3#58; done</small>",
            "done",
        ),
    ]


def test_direction():
    assert chart("A -> B", direction="LR").startswith("flowchart LR\n")


def test_no_text_of_an_option_is_read_as_mermaid_or_html():
    text = chart(r'A[pool="\"]; <b>`x`</b> &amp; #quot; | 大\n--> \\", queue="<script>"]')
    label = text.splitlines()[1].removeprefix('  n0["').removesuffix('"]')
    for tag in ("<br/>", "<small>", "</small>"):
        label = label.replace(tag, "")
    assert not set(label) & set('"<>&`|\\')
    assert "#60;b#62;#96;x#96;" in label
    assert "大" in label


def test_the_state_of_a_place_is_a_class():
    graph = compile(parse("Bad (0 -> B, 1 -> C)"))
    places = simulate(graph, outcomes={"Bad": 0}).places
    text = mermaid(graph, states={place: report.state for place, report in places.items()})
    assert 'n1["B"]:::done' in text
    assert 'n2["C"]:::skipped' in text
    assert "classDef done fill:" in text
    assert "classDef skipped fill:" in text
    assert "classDef failed" not in text
