"""The sections of the page of an audit."""

from html import escape

import numpy as np

from .. import __version__
from ._html import bars, cards, image, paragraph, section, table
from ._png import picture, signed_picture
from ._svg import certified_svg, reliability_svg, ticks
from ._terms import leading_terms

# Largest number of classes for a full table. With more classes, the largest confusions are listed.
MOST_CLASSES = 20
N_CONFUSIONS = 15
# Classes of which the table of groups says how often each is said.
MOST_SAID = 3


def body_of(report):
    """Return the report as HTML, without its style.

    Parameters
    ----------
    report : AuditReport
    """
    parts = (
        _header,
        _student,
        _certified,
        _calibration,
        _confusion,
        _fidelity,
        _groups,
        _terms,
        _chosen,
        _least_robust,
        _hardest,
        _footer,
    )
    return "".join(part(report) for part in parts)


def _header(report):
    level = f"{1 - report.delta:.0%}"
    numbers = [
        ("accuracy", f"{report.accuracy.value:.2%}", f"{level}: {_between(report.accuracy)}")
    ]
    if report.fidelity is not None:
        found = report.fidelity
        numbers.append(
            (
                "fidelity",
                f"{1 - found.disagreement:.2%}",
                f"{level}: at least {1 - found.bound:.2%}",
            )
        )
    if report.teacher_accuracy is not None:
        found = report.teacher_accuracy
        numbers.append(("teacher", f"{found.value:.2%}", f"{level}: {_between(found)}"))
    if report.certified is not None:
        numbers.append(
            (
                "median radius",
                f"{report.certified.median_radius:.3g}",
                _unit(report).strip(" ,()"),
            )
        )
    if report.calibration is not None:
        error = report.calibration.expected_error
        numbers.append(("calibration error", f"{error:.2%}", "expected, over 10 bins"))
    counted = report.student.cost
    if counted is not None:
        numbers.append(
            ("multiplications", f"{counted.multiplications:,}", "for one prediction")
        )
    rows = f"{report.n_samples:,} rows, {report.student.n_classes} classes"
    return f"<h1>{escape(report.title)}</h1>{paragraph(rows, 'soft')}{cards(numbers)}"


def _student(report):
    student = report.student
    steps = "".join(f"<li><code>{escape(step)}</code></li>" for step in student.steps)
    facts = [("columns", f"{student.n_features:,}"), ("classes", f"{student.n_classes:,}")]
    if student.n_observables is not None:
        facts.insert(1, ("observables", f"{student.n_observables:,}"))
    if student.cost is not None:
        facts += [
            ("fitted numbers", f"{student.cost.parameters:,}"),
            ("bytes of them", f"{student.cost.bytes:,}"),
            ("multiplications by fitted numbers", f"{student.cost.linear:,}"),
            ("multiplications of variables", f"{student.cost.nonlinear:,}"),
            ("time for one row here", f"{1e3 * student.cost.latency:.2g} ms"),
        ]
    lines = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in facts
    )
    return section(
        "The student",
        f"<div class='pair'><div><ol>{steps}</ol></div>"
        f"<div class='wide'><table><tbody>{lines}</tbody></table></div></div>",
    )


def _certified(report):
    found = report.certified
    if found is None:
        reason = report.without_radius or "This student has no Koopman matrix."
        return section("Certified accuracy", paragraph(f"No radii are known. {reason}", "soft"))
    kind = "The radius is exact"
    if not found.is_exact.any():
        kind = "The radius is a certified lower bound"
    elif not found.is_exact.all():
        share = f"{found.is_exact.mean():.0%}"
        kind = f"The radius is exact for {share} of them, and a certified lower bound else"
    text = (
        "A row is certified at a distance if it is right, and stays right under every change of "
        f"at most this size{_unit(report)}. There are {len(found.rows):,} rows. "
        f"{kind}.{_held(report)}"
    )
    distances, values, low, high = found.curve(report.delta)
    svg = certified_svg(distances, values, low, high, _unit(report))
    lines = []
    for distance in ticks(distances[-1]):
        at = found.at(distance, report.delta)
        lines.append([f"{distance:g}", f"{at.value:.2%}", _between(at)])
    head = ["distance", "certified", f"{1 - report.delta:.0%} interval"]
    return section(
        "Certified accuracy",
        paragraph(text),
        f"<div class='pair'><figure>{svg}<figcaption>Certified accuracy, with the "
        f"{1 - report.delta:.0%} interval at each distance.</figcaption></figure>"
        f"{table(head, lines)}</div>",
    )


def _calibration(report):
    if report.calibration is None:
        return ""
    level = f"{1 - report.delta:.0%}"
    lines = [
        [f"{each.confidence:.1%}", f"{each.accuracy.value:.1%}", f"{each.accuracy.n_samples:,}"]
        for each in report.calibration.bins
    ]
    return section(
        "Calibration",
        paragraph("How often the chosen class is right, by its probability."),
        f"<div class='pair'><figure>{reliability_svg(report.calibration)}<figcaption>On the dotted "
        f"line, probabilities are right. Bars: {level} "
        f"intervals.</figcaption></figure>{table(['probability', 'right', 'rows'], lines)}</div>",
    )


def _confusion(report):
    found = report.confusion
    shown = [("Teacher", found.teacher), ("Student", found.student)]
    shown = [(name, counts) for name, counts in shown if counts is not None]
    if len(found.labels) > MOST_CLASSES:
        parts = "".join(
            f"<div><h3>{name}</h3>{_largest_confusions(found.labels, counts)}</div>"
            for name, counts in shown
        )
    else:
        parts = "".join(
            f"<div><h3>{name}</h3>{_matrix(found.labels, counts)}</div>"
            for name, counts in shown
        )
    return section(
        "Confusions",
        paragraph(
            "Each line has the rows of one class, each column the rows with one prediction.",
            "soft",
        ),
        f"<div class='pair'>{parts}</div>",
    )


def _matrix(labels, counts):
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    head = "".join(f"<th scope='col'>{escape(str(label))}</th>" for label in labels)
    lines = []
    for i, label in enumerate(labels):
        cells = "".join(
            f"<td class='{'right' if i == j else 'wrong'}' "
            f"style='--a:{_shade(shares[i, j], i == j):.2f}'>{counts[i, j] or ''}</td>"
            for j in range(len(labels))
        )
        lines.append(f"<tr><th scope='row'>{escape(str(label))}</th>{cells}</tr>")
    return (
        f"<div class='wide'><table class='confusion'><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _shade(share, is_right):
    """Return the strength of a colour, such that rare errors are visible too."""
    return 0.5 * share if is_right else min(0.75, share**0.5)


def _largest_confusions(labels, counts):
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:N_CONFUSIONS]
    places = zip(*np.unravel_index(order, wrong.shape), strict=True)
    lines = [[labels[i], labels[j], wrong[i, j]] for i, j in places if wrong[i, j]]
    return table(["right", "said", "rows"], lines)


def _fidelity(report):
    found = report.fidelity
    if found is None:
        return ""
    level = f"{1 - found.delta:.0%}"
    text = (
        f"Student and teacher disagree on {found.n_disagreements:,} of {found.n_samples:,} rows "
        f"({found.disagreement:.2%}); with confidence {level}, on at most {found.bound:.2%} of all "
        "inputs, if these rows were drawn as the inputs are, and nothing was learned from them."
    )
    lines = [
        [each.label, f"{each.n_samples:,}", f"{each.disagreement:.2%}", f"{each.bound:.2%}"]
        for each in found.classes[:MOST_CLASSES]
    ]
    head = ["teacher says", "rows", "disagree", "at most"]
    caption = f"All bounds hold together with confidence {level}."
    return section("Fidelity", paragraph(text), table(head, lines, caption))


def _groups(report):
    if not report.groups:
        return ""
    has_fidelity = report.fidelity is not None
    has_radius = report.certified is not None
    said = list(report.groups[0].said)
    said = said if len(said) <= MOST_SAID else []
    head = ["group", "rows", *(f"said {each}" for each in said), "accuracy"]
    head += ["fidelity"] * has_fidelity + ["median radius"] * has_radius
    lines = []
    for group in report.groups:
        line = [
            f"{group.attribute}: {group.name}" if group.attribute else str(group.name),
            f"{group.accuracy.n_samples:,}",
        ]
        shares = [*(group.said[each] for each in said), group.accuracy]
        shares += [group.fidelity] * has_fidelity
        line += [f"{share.value:.2%} ({_between(share)})" for share in shares]
        if has_radius:
            line.append("" if group.median_radius is None else f"{group.median_radius:.3g}")
        lines.append(line)
    caption = f"In brackets: intervals. Each alone has the confidence {1 - report.delta:.0%}."
    return section("Groups", table(head, lines, caption))


def _terms(report):
    found = report.formula
    if found is None:
        return ""
    terms = leading_terms(found)
    inputs = [
        (" and ".join(names), share) for names, share in list(found.input_shares().items())[:12]
    ]
    what = "all logits together, without what they have in common"
    if len(found.output_names) == 1:
        what = "the logit"
    text = (
        f"The share of the variance of {what} that each term explains. Shares sum to 100 %. A "
        "share is negative if other terms offset the term."
    )
    parts = (
        f"<div class='pair'><div><h3>Leading terms</h3>{bars(terms)}</div>"
        f"<div><h3>Inputs, and pairs of them</h3>{bars(inputs)}</div></div>"
    )
    written = found.to_text(max_terms=6) if len(found.output_names) <= 3 else ""
    if written and report.image_shape is None:
        parts += f"<h3>Formula</h3><pre>{escape(written)}</pre>"
    return section("What it computes", paragraph(text), parts, _directions(report, terms))


def _directions(report, terms, n_shown=8):
    """Return pictures of the coordinates in the leading terms."""
    found, shape = report.formula, report.image_shape
    if shape is None or found.directions is None:
        return ""
    if found.directions.shape[1] != np.prod(shape):
        return ""
    by_name = dict(zip(found.term_names, found.terms, strict=True))
    variables = list(dict.fromkeys(v for name, _ in terms for v in by_name[name]))[:n_shown]
    pictures = "".join(
        image(signed_picture(found.directions[v], shape), found.variable_names[v])
        for v in variables
    )
    colors = paragraph(_colors(report, "a positive part", "a negative one").strip(), "soft")
    return f"<h3>Their coordinates</h3>{colors}<div class='images'>{pictures}</div>"


def _least_robust(report):
    if not report.least_robust:
        return ""
    kind = "smallest change" if report.certified.is_exact.all() else "smallest change found"
    parts = []
    for title, rows in (
        ("Nearest to another class", report.least_robust),
        ("Typical: half of them are nearer", report.typical),
    ):
        cells = "".join(_counterfactual(report, row) for row in rows)
        parts.append(f"<h3>{title}</h3><div class='rows'>{cells}</div>" if rows else "")
    return section(
        "Least robust and typical rows",
        paragraph(
            f"Rows that are right, with the {kind} to another "
            f"class{_unit(report)}.{_held(report)}{_colors(report, 'more', 'less')}"
        ),
        *parts,
    )


def _chosen(report):
    if not report.chosen:
        return ""
    rows = "".join(
        _hard_row(report, row) + _counterfactual(report, row) for row in report.chosen
    )
    return section(
        "Chosen rows",
        paragraph(
            "What speaks for the student's answer (Shapley values, in units of logits), and the "
            f"smallest change that was found to another one{_unit(report)}.{_held(report)} The "
            "teacher may disagree about the changed row: ask "
            f"it.{_colors(report, 'for, or more', 'against, or less')}"
        ),
        f"<div class='rows'>{rows}</div>",
    )


def _hardest(report):
    if not report.hardest:
        return section("Hardest rows", paragraph("The student is right on all rows."))
    rows = "".join(_hard_row(report, row) for row in report.hardest)
    return section(
        "Hardest rows",
        paragraph(
            "Rows on which the student is wrong, in descending order of its confidence. What "
            "speaks for its class and against the right one: Shapley values, in units of "
            f"logits.{_colors(report, 'for', 'against')}"
        ),
        f"<div class='rows'>{rows}</div>",
    )


def _counterfactual(report, row):
    head = f"Row {row.index}: {row.predicted}"
    if row.counterfactual_class is None:
        known = "no radius" if row.radius is None else f"radius {row.radius:.3g}"
        return _row(head, paragraph(known, "soft"))
    head += f" → {row.counterfactual_class}"
    distance = f"distance {row.distance:.3g}"
    if row.radius < (1 - 1e-6) * row.distance:
        distance += f", at least {row.radius:.3g}"
    if row.teacher is not None:
        distance += f", teacher said {row.teacher} of the row as it is"
    distance = paragraph(distance, "soft")
    shape = report.image_shape
    if shape is not None:
        low, high = float(row.values.min()), float(row.values.max())
        pictures = [
            image(picture(row.values, shape), str(row.predicted)),
            image(picture(row.counterfactual, shape, low, high), str(row.counterfactual_class)),
            image(signed_picture(row.counterfactual - row.values, shape), "change"),
        ]
        return _row(head, distance, f"<div class='images'>{''.join(pictures)}</div>")
    lines = [
        [name, _short(before), _short(after)]
        for name, before, after in row.changes(report.column_names, report.certified.scale)
    ]
    return _row(head, distance, table(["column", "is", "would be"], lines))


def _hard_row(report, row):
    head = f"Row {row.index}: {row.label}, said {row.predicted}"
    facts = f"margin {row.margin:.3g}{_teacher(row)}"
    if row.radius is not None:
        facts += f", distance {row.radius:.3g}"
    parts = [paragraph(facts, "soft")]
    shape = report.image_shape
    if shape is not None:
        pictures = [image(picture(row.values, shape), f"is {row.label}")]
        if row.contribution_map is not None:
            pictures.append(
                image(
                    signed_picture(row.contribution_map, shape), f"speaks for {row.predicted}"
                )
            )
        parts.append(f"<div class='images'>{''.join(pictures)}</div>")
    elif row.contributions:
        parts.append(bars(row.contributions, "{:+.3g}"))
    return _row(head, *parts)


def _row(head, *parts):
    return f"<div class='row'><h3>{escape(head)}</h3>{''.join(parts)}</div>"


def _footer(report):
    level = f"{1 - report.delta:.0%}"
    return paragraph(
        f"Intervals are those of Clopper and Pearson, each of confidence {level}, for inputs that "
        "are drawn as these rows were. They hold if nothing of the student was learned or chosen "
        f"with these rows. sklearn_koopman {__version__}.",
        "soft",
    )


def _teacher(row):
    return "" if row.teacher is None else f", teacher says {row.teacher}"


def _held(report):
    """Return a sentence with the columns that are fixed in the radii."""
    if not report.fixed:
        return ""
    return f" Held fixed: {', '.join(report.fixed)}."


def _unit(report):
    """Return the unit of distances, for the end of a sentence."""
    scaled = report.certified is not None and report.certified.scale is not None
    return ", in standard deviations of the columns" if scaled else " (L2)"


def _colors(report, red, blue):
    """Return the meaning of the colours of pictures, if there are pictures."""
    return "" if report.image_shape is None else f" Red: {red}, blue: {blue}."


def _between(found):
    return f"{found.low:.2%} to {found.high:.2%}"


def _short(value):
    return f"{value:.4g}"
