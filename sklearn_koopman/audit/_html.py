"""The page of an audit: its style, and the building blocks of its sections."""

from html import escape

STYLE = """
.koopman-audit {
  --paper: #ffffff; --ink: #1d2330; --soft: #5b6475; --rule: #dde2ea; --panel: #f5f7fa;
  --accent: #1b5f8c; --good: 27, 95, 140; --bad: 200, 60, 60; --minus: #b5533c;
  color: var(--ink); background: var(--paper); padding: 1.2rem; margin: 0 auto;
  max-width: 68rem; box-sizing: border-box; border-radius: 6px;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  text-align: left;
}
@media (prefers-color-scheme: dark) {
  .koopman-audit {
    --paper: #14171c; --ink: #e4e8ef; --soft: #a2acbb; --rule: #323945; --panel: #1d222a;
    --accent: #6cb6e6; --good: 108, 182, 230; --bad: 240, 120, 110; --minus: #e09a7d;
  }
}
.koopman-audit * { box-sizing: border-box; }
.koopman-audit h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .2rem; }
.koopman-audit h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--rule); }
.koopman-audit h3 { font-size: .95rem; margin: .8rem 0 .3rem; }
.koopman-audit p { margin: .3rem 0 .7rem; max-width: 46rem; }
.koopman-audit .soft, .koopman-audit figcaption, .koopman-audit caption {
  color: var(--soft); font-size: .88rem; text-align: left; }
.koopman-audit code { font: .88em/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  background: var(--panel); padding: .1em .3em; border-radius: 3px; overflow-wrap: anywhere; }
.koopman-audit pre { background: var(--panel); padding: .7rem .9rem; border-radius: 6px;
  overflow-x: auto; font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0; color: var(--ink); }
.koopman-audit .cards { display: grid; gap: .7rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(9.6rem, 1fr)); }
.koopman-audit .card { background: var(--panel); border-radius: 6px; padding: .7rem .9rem; }
.koopman-audit .card b { display: block; font-size: 1.45rem; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.koopman-audit .card span { display: block; color: var(--soft); font-size: .85rem; }
.koopman-audit .pair { display: grid; gap: 1.2rem 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); align-items: start; }
.koopman-audit figure { margin: 0; min-width: 0; }
.koopman-audit .wide { overflow-x: auto; }
.koopman-audit table { border-collapse: collapse; font-size: .9rem; margin: .3rem 0;
  font-variant-numeric: tabular-nums; background: none; color: inherit; }
.koopman-audit th, .koopman-audit td { padding: .25rem .6rem; text-align: right;
  border-bottom: 1px solid var(--rule); background-color: transparent; color: inherit;
  vertical-align: middle; white-space: nowrap; }
.koopman-audit tr { background: none; }
.koopman-audit th { font-weight: 600; }
.koopman-audit th:first-child { text-align: left; white-space: normal; min-width: 5.5rem; }
.koopman-audit .confusion td { min-width: 2rem; padding: .2rem .35rem; text-align: center;
  border: 1px solid var(--rule); }
.koopman-audit .confusion th { padding: .2rem .4rem; min-width: 0; }
.koopman-audit .confusion td.right { background-color: rgba(var(--good), var(--a)); }
.koopman-audit .confusion td.wrong { background-color: rgba(var(--bad), var(--a)); }
.koopman-audit svg { width: 100%; max-width: 34rem; height: auto; display: block; }
.koopman-audit svg text { font-size: 12px; fill: var(--soft); }
.koopman-audit svg .grid { stroke: var(--rule); stroke-width: 1; }
.koopman-audit svg .line { fill: none; stroke: var(--accent); stroke-width: 2.2; }
.koopman-audit svg .band { fill: var(--accent); opacity: .22; }
.koopman-audit svg .diagonal { fill: none; stroke: var(--soft); stroke-dasharray: 3 4; }
.koopman-audit svg .whisker { stroke: var(--accent); stroke-width: 2; }
.koopman-audit svg circle { fill: var(--accent); }
.koopman-audit .bars { display: grid; gap: .25rem .7rem; align-items: center; font-size: .9rem;
  grid-template-columns: minmax(6rem, max-content) 1fr max-content; max-width: 46rem; }
.koopman-audit .bars > * { min-width: 0; overflow-wrap: anywhere; }
.koopman-audit .bars .number { text-align: right; font-variant-numeric: tabular-nums; }
.koopman-audit .bar { display: block; height: .8rem; width: calc(var(--w) * 100%);
  min-width: 1px; background: var(--accent); border-radius: 2px; }
.koopman-audit .bar.minus { background: var(--minus); }
.koopman-audit .rows { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.koopman-audit .row { border: 1px solid var(--rule); border-radius: 6px; padding: .7rem .9rem; }
.koopman-audit .row h3 { margin-top: 0; }
.koopman-audit .row table { width: 100%; font-size: .85rem; }
.koopman-audit .row td { padding: .15rem .3rem; white-space: nowrap; }
.koopman-audit .row th { padding: .15rem .3rem; font-weight: 400; }
.koopman-audit .images { display: flex; flex-wrap: wrap; gap: .6rem; }
.koopman-audit .images figure { width: 5.4rem; }
.koopman-audit .images img { width: 100%; height: auto; image-rendering: pixelated;
  display: block; border: 1px solid var(--rule); }
.koopman-audit .images figcaption { font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; }
@media (max-width: 480px) {
  .koopman-audit { padding: .8rem; }
  .koopman-audit th, .koopman-audit td { padding: .2rem .35rem; }
  .koopman-audit .confusion td { min-width: 1.5rem; padding: .15rem .2rem; font-size: .82rem; }
  .koopman-audit .confusion th { padding: .15rem .25rem; font-size: .82rem; }
  .koopman-audit .bars { grid-template-columns: minmax(4rem, 9rem) 1fr max-content; }
}
@media print { .koopman-audit .row, .koopman-audit figure { break-inside: avoid; } }
"""

# On a page of its own, the body has the same colours as the report.
PAGE_STYLE = """
body { margin: 0; background: #ffffff; }
@media (prefers-color-scheme: dark) { body { background: #14171c; } }
"""


def page(title, body):
    """Return a complete document that needs no other files."""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='color-scheme' content='light dark'>"
        f"<title>{escape(title)}</title><style>{PAGE_STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def fragment(body):
    """Return the HTML for a notebook: the report with its style, which affects nothing else."""
    return f"<style>{STYLE}</style><article class='koopman-audit'>{body}</article>"


def section(title, *parts):
    """Return a part of the report under a heading."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def paragraph(text, kind=None):
    """Return a paragraph of escaped text."""
    opening = f"<p class='{kind}'>" if kind else "<p>"
    return f"{opening}{escape(text)}</p>"


def cards(numbers):
    """Return large numbers, each with a name and a remark.

    Parameters
    ----------
    numbers : list of (str, str, str)
        Name, number and remark.
    """
    return (
        "<div class='cards'>"
        + "".join(
            f"<div class='card'><span>{escape(what)}</span><b>{escape(number)}</b>"
            f"<span>{escape(remark)}</span></div>"
            for what, number, remark in numbers
        )
        + "</div>"
    )


def table(head, lines, caption=None):
    """Return a table. The first cell of each line is its name."""
    top = "".join(f"<th scope='col'>{escape(str(cell))}</th>" for cell in head)
    body = "".join(
        f"<tr><th scope='row'>{escape(str(first))}</th>"
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in lines
    )
    caption = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f"<div class='wide'><table>{caption}<thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def bars(parts, form="{:.1%}"):
    """Return names, bars and numbers. The largest number has the longest bar."""
    largest = max((abs(value) for _, value in parts), default=0) or 1.0
    return (
        "<div class='bars'>"
        + "".join(
            f"<span>{escape(name)}</span><span><span class='bar "
            f"{'minus' if value < 0 else 'plus'}' style='--w:{abs(value) / largest:.3f}'></span>"
            f"</span><span class='number'>{form.format(value)}</span>"
            for name, value in parts
        )
        + "</div>"
    )


def image(address, caption):
    """Return a small picture with a caption."""
    return (
        f"<figure><img src='{address}' alt='{escape(caption)}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
