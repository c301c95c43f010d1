"""Anonymeter's attacks on the tables in a folder; prints what it found as JSON.

Runs in an environment that has anonymeter, whose numpy clashes with ours, so that nothing of ours is imported here.
FOLDER holds targets.csv, controls.csv, synthetic.csv, and about.json: the columns of the two halves, and the secrets.
"""

import json
import sys
import warnings
from pathlib import Path

import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator

ATTACKS = 400


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    about = json.loads((folder / "about.json").read_text())
    sides = {
        name: pd.read_csv(folder / f"{file}.csv")
        for name, file in {"ori": "targets", "syn": "synthetic", "control": "controls"}.items()
    }
    attacks = {
        "singling_out_univariate": (SinglingOutEvaluator(**sides, n_attacks=ATTACKS, seed=0), {"mode": "univariate"}),
        "singling_out_multivariate": (
            SinglingOutEvaluator(**sides, n_attacks=ATTACKS, n_cols=3, seed=0),
            {"mode": "multivariate"},
        ),
        "linkability": (
            LinkabilityEvaluator(**sides, n_attacks=ATTACKS, aux_cols=tuple(about["halves"]), n_neighbors=1),
            {"n_jobs": 1},
        ),
    }
    for secret in about["secrets"]:
        known = [name for name in sides["ori"].columns if name != secret]
        regression = pd.api.types.is_numeric_dtype(sides["ori"][secret])
        attacks[f"inference of {secret}"] = (
            InferenceEvaluator(**sides, aux_cols=known, secret=secret, regression=regression, n_attacks=ATTACKS),
            {"n_jobs": 1},
        )
    found = {}
    for name, (evaluator, how) in attacks.items():
        evaluator.evaluate(**how)
        risk, results = evaluator.risk(), evaluator.results()
        found[name] = {
            "risk": risk.value,
            "ci": list(risk.ci),
            "attack": [int(results.n_success), int(results.n_attacks_ori)],
            "control": [int(results.n_control), int(results.n_attacks_control)],
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
