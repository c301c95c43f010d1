"""What is drawn: figures from values, whatever the values are called."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from metrics import METRICS, Score, Tables, charts, evaluate, views
from metrics.charts.axes import middles
from metrics.detail import ColumnScores, PairScores
from synth.schema import Column
from tests.test_views import awkward, one, schema, table

NASTY = "<script>alert(1)</script>"


def texts(figure) -> str:
    return json.dumps(json.loads(figure.to_json()), ensure_ascii=False)


def mixed(rows: int = 60):
    rng = np.random.default_rng(0)
    columns = {
        "n": ("number", rng.normal(size=rows)),
        NASTY: ("category", rng.choice(["<b>bold</b>", "other"], rows)),
        "when": ("datetime", np.datetime64("2020-01-01", "us") + rng.integers(0, 10**14, rows)),
    }
    return table(**columns), schema(**columns)


def every_figure() -> dict:
    whole, columns = mixed()
    real, synthetic = whole[:40], whole[40:]
    figures = {
        f"column {n}": charts.column_figure(views.column_view(real, real, synthetic, c)) for n, c in enumerate(columns)
    }
    figures |= {
        f"pair {n}{m}": charts.pair_figure(views.pair_view(real, synthetic, a, b))
        for n, a in enumerate(columns)
        for m, b in enumerate(columns)
    }
    figures |= {
        f"across {n}": charts.column_across_figure(views.column_across_view(real, {NASTY: synthetic}, c))
        for n, c in enumerate(columns)
    }
    figures["correlation"] = charts.correlation_figure(views.correlation_view(real, synthetic, columns))
    figures["projection"] = charts.projection_figure(views.projection_view(real, synthetic, columns))
    holes = synthetic.copy()
    holes.loc[holes.index[:5], NASTY] = None
    figures["missingness"] = charts.missingness_figure(views.missingness_view(real, holes, columns))
    return figures


def test_every_chart_has_a_title_and_names_its_rows():
    for name, figure in every_figure().items():
        assert figure.layout.title.text, name
        subtitle = figure.layout.title.subtitle.text
        assert "40 training" in subtitle and "synthetic: 20 rows" in subtitle, name


def test_nothing_a_table_holds_becomes_markup():
    for name, figure in every_figure().items():
        drawn = texts(figure)
        shown = drawn.replace(json.dumps(NASTY)[1:-1], "") if name == "projection" else drawn
        assert "<script" not in shown and "<b>bold" not in shown, name


def test_real_is_blue_and_synthetic_vermillion():
    view = one("number", list(range(100)), list(range(100)))
    colours = {trace.name: trace.line.color for trace in charts.column_figure(view).data}
    assert colours == {"Real (training)": charts.REAL, "Synthetic": charts.SYNTHETIC}


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", ["#FFFFFF", "#12141C"])
def test_both_colours_stand_out_on_light_and_dark(ground):
    assert contrast(charts.REAL, ground) >= 3
    assert contrast(charts.SYNTHETIC, ground) >= 3


def test_a_theme_changes_the_template_and_nothing_else():
    light = charts.column_figure(one("category", ["a", "b"], ["a", "a"]))
    dark = charts.themed(light, "dark")
    assert dark.layout.template.layout.font.color != light.layout.template.layout.font.color
    assert dark.data == light.data
    assert dark.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_charts_are_never_offered_to_a_cloud():
    assert charts.CONFIG["showSendToCloud"] is False


def test_awkward_tables_are_drawn():
    whole, columns = awkward()
    for real, synthetic in ((40, 40), (1, 0), (0, 0)):
        for column in columns:
            charts.column_figure(views.column_view(whole[:real], None, whole[:synthetic], column))
            charts.pair_figure(views.pair_view(whole[:real], whole[:synthetic], column, columns["when"]))
        for view, draw in (
            (views.correlation_view, charts.correlation_figure),
            (views.projection_view, charts.projection_figure),
            (views.missingness_view, charts.missingness_figure),
        ):
            draw(view(whole[:real], whole[:synthetic], columns))


def test_steps_between_middles_fall_on_the_edges():
    assert middles([0, 2, 4], "linear") == [-1, 1, 3, 5]
    assert middles([1, 100, 10000], "log") == pytest.approx([0.1, 10, 1000, 100000])
    assert middles(["2020-01-01T00:00:00", "2020-01-03T00:00:00"], "date") == [
        "2019-12-31T00:00:00",
        "2020-01-02T00:00:00",
        "2020-01-04T00:00:00",
    ]


def test_a_hundred_columns_are_drawn_in_a_blink():
    rng = np.random.default_rng(0)
    columns = {f"column {n}": ("number", rng.normal(size=100)) for n in range(100)}
    view = views.correlation_view(table(**columns), table(**columns), schema(**columns))
    seconds = []
    for _ in range(3):
        start = time.process_time()
        figure = charts.correlation_figure(view)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.1
    assert len(figure.to_json()) < 500_000


# Scores ----------------------------------------------------------------------------------------------------------


def scores() -> dict[str, Score]:
    columns = [{"column": NASTY, "score": 0.7, "reference": 0.99}, {"column": "b", "score": 0.9, "reference": None}]
    pairs = [{"columns": [NASTY, "b"], "score": 0.6, "reference": 0.98}, {"columns": ["b", "c"], "score": None}]
    return {
        "column_shapes": Score(value=0.8, reference=0.99, ci=(0.78, 0.82), detail={"columns": columns}),
        "column_pair_trends": Score(value=0.6, reference=0.98, detail={"pairs": pairs}),
        "exact_copies": Score(value=None, note="There is no holdout."),
    }


def test_the_scorecard_has_a_row_for_each_metric_measured_or_not():
    cards = [metric.card for metric in METRICS.values()]
    figure = charts.scorecard_figure(cards, scores())
    labels = list(figure.layout.yaxis.ticktext)
    assert labels == ["<b>Fidelity</b>", "Column shapes", "Column pair trends", "<b>Privacy</b>", "Exact copies"]
    said = [note.text for note in figure.layout.annotations]
    assert any("0.800" in text and "benchmark 0.990" in text for text in said)
    assert any("There is no holdout." in text for text in said)
    value = next(trace for trace in figure.data if trace.name == "Synthetic")
    assert [row[0] for row in value.customdata] == ["column_shapes", "column_pair_trends"]


def test_a_click_on_a_ranking_or_a_pair_tells_the_columns():
    ranking = charts.ranking_figure(scores()["column_shapes"].detail_as(ColumnScores))
    assert ranking.data[-1].customdata[0][0] == NASTY
    pairs = charts.pair_ranking_figure(scores()["column_pair_trends"].detail_as(PairScores))
    assert list(pairs.data[-1].customdata[0]) == [NASTY, "b"]


def test_the_map_of_pairs_shows_what_each_lacks():
    heat = charts.pair_scores_figure(scores()["column_pair_trends"].detail_as(PairScores)).data[0]
    row, column = (list(heat.y).index(label) for label in ("b", "&lt;script&gt;alert(1)&lt;/script&gt;"))
    assert heat.z[row][column] == pytest.approx(0.4)
    assert np.isnan(heat.z[row][row])


ROC = {"false_positive_rate": [0, 1], "true_positive_rate": [0, 1]}
TAUGHT = {"target": NASTY, "rows_of_each": 10, "measure": "R²"}
DETAILS = {
    "ways": {"ways": [{"way": "one column", "score": 0.9, "reference": None, "ceiling": 0.99}]},
    "columns": {"columns": [{"columns": [NASTY], "score": 0.9, "reference": 0.99}]},
    "importances": {"columns": [{"column": NASTY, "real": 0.9, "synthetic": 0.5}], **TAUGHT},
    "pairs": {"pairs": [{"columns": [NASTY, "b"], "score": 0.9, "reference": None}]},
    "curves": {"curve": "recall", "curves": {"synthetic": {"level": [0, 1], "recall": [0, 0.5]}}},
    "rules": {"rules": [{"rule": f"{NASTY} is never missing", "broken": 0.0, "reference": None}]},
    "learners": {"learners": [{"learner": "linear", "real": 0.9, "synthetic": 0.8}], **TAUGHT},
    "calibration": {"synthetic": [{"said": 0.1, "happened": 0.2, "rows": 5}], "real": []},
    "attack": {"attack_rate": 0.1, "control_rate": 0.0, "guessing_rate": 0.0, "attacks": 100},
    "risks": {"secrets": [{"secret": NASTY, "risk": 0.1, "ci": [0.0, 0.2]}, {"secret": "b", "risk": None}]},
    "protection": {"secrets": [{"secret": NASTY, "score": 0.1, "reference": None}]},
    "rows": {"groups_with_fewer_rows": {"2": 5}, "groups": 9, "known": [NASTY]},
    "secrets": {"groups_with_fewer_secrets": {"2": 0}, "groups": 9, "known": [NASTY]},
    "nearness": {"histogram": {"edges": [0, 1, 2], "synthetic to train": [0.5, 0.5], "holdout to train": [0.1, 0.9]}},
    "roc": {"roc": ROC},
    "attacks": {"attacks": [{"attack": NASTY, "roc": ROC}]},
    "gave it away": {"gave_it_away": [{"column": NASTY, "share": 1.0}]},
}


@pytest.mark.parametrize("name", DETAILS)
def test_every_part_of_a_detail_has_its_picture(name):
    figures = charts.score_figures(Score(value=0.5, detail=DETAILS[name]))
    assert len(figures) == 1
    assert figures[0].layout.title.text
    assert "<script" not in texts(figures[0].update_traces(customdata=None))


def test_every_picture_is_tried_here():
    drawn = {
        picture
        for picture in charts.PICTURES
        for detail in DETAILS.values()
        if picture.part_of(Score(value=0.5, detail=detail)) is not None
    }
    assert drawn == set(charts.PICTURES)


def test_every_metric_of_a_small_table_is_drawn_or_has_nothing_to_draw():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    columns = {
        "x": ("number", x),
        "y": ("number", x + rng.normal(size=300)),
        NASTY: ("category", np.where(x > 0, "yes", "no")),
    }
    whole = table(**columns)
    options = {"sensitive": [NASTY], "quasi_identifiers": ["x"]}
    tables = Tables(whole[:150], whole[150:], whole[:150], schema(**columns), target=NASTY, options=options)
    drawn = {}
    for name, score in evaluate(tables).items():
        drawn[name] = charts.score_figures(score, METRICS[name].card)
        for figure in drawn[name]:
            json.loads(figure.to_json())
        stored = Score.model_validate_json(score.model_dump_json())
        assert charts.score_figures(stored, METRICS[name].card) == drawn[name], name
    assert all(drawn[name] for name in ("column_shapes", "detector", "train_on_synthetic", "membership_inference"))


def test_a_score_without_detail_has_no_picture():
    assert charts.score_figures(Score(value=None)) == []


def test_what_is_far_from_real_is_strong_whichever_way_is_good():
    card = METRICS["column_shapes"].card.model_copy(update={"good": "low"})
    score = Score(value=0.1, detail={"pairs": [{"columns": ["a", "b"], "score": 0.1, "reference": 0.0}]})
    assert charts.score_figures(score, card)[0].data[0].z[0][1] == pytest.approx(0.1)
    assert charts.score_figures(score)[0].data[0].z[0][1] == pytest.approx(0.9)


def test_runs_are_compared_and_the_best_joined():
    run = {
        "id": "1",
        "name": "first",
        "model": "trees",
        "fidelity": 0.9,
        "privacy": 0.8,
        "utility": 0.7,
        "seconds": 3.0,
    }
    figure = charts.runs_figure(views.runs_view([run, run | {"id": "2", "fidelity": 0.8, "seconds": None}]))
    front = next(trace for trace in figure.data if trace.name == "Best trade-offs")
    assert list(front.x) == [0.9]
    close = charts.runs_figure(views.runs_view([run, run | {"id": "2", "fidelity": 0.901}]))
    assert len(set(close.data[-1].textposition)) == 2, "labels of runs that score alike lie on top of each other"
    empty = charts.runs_figure(views.runs_view([run | {"privacy": None}]))
    assert "No run" in empty.layout.annotations[0].text
    across = charts.runs_columns_figure({"first": scores()["column_shapes"]})
    assert across.data[0].z[0][0] == pytest.approx(0.3)


def test_equal_short_labels_stay_apart():
    names = ["a" * 50 + "1", "a" * 50 + "2"]
    values = np.arange(20.0)
    columns = dict.fromkeys(names, ("number", values))
    figure = charts.correlation_figure(views.correlation_view(table(**columns), table(**columns), schema(**columns)))
    assert len(set(figure.data[0].x)) == 2
    assert charts.column_figure(
        views.column_view(table(**columns), None, table(**columns), Column(name=names[0], kind="number"))
    )
