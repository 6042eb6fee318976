"""Which of two models is better, is the difference real, and how many more pictures would help?

python examples/04_judge_models.py
"""

import numpy as np

import lightfast as lf


def main():
    images = lf.load_images("mnist-5k").images.take(range(0, 5_000, 5))
    recipe = lf.Recipe.of(epochs=3)
    plans = {
        "dense": lf.ClassifierPlan("mlp", recipe),
        "forest": lf.ClassifierPlan("random-forest", config={"trees": 50}),
    }

    # Out-of-fold predictions: every picture is read by a model that never saw it.
    fold_options = lf.FoldOptions(folds=3, jobs=1)
    found = {
        name: lf.cross_validate(images, plan, fold_options, lf.Training(seed=0))
        for name, plan in plans.items()
    }
    for name, one in found.items():
        low, high = one.interval()
        print(f"{name}: {one.scores().mean():.3f} [{low:.3f} to {high:.3f}] over {one.k} folds")

    # The same pictures, so the comparison is paired.
    print(lf.compare([one.predictions for one in found.values()]).sentence())

    # The same held-out pictures at every size.
    parts = lf.split(images, val=0.0, test=0.3)
    points = [
        lf.SweepPoint(train_size=size, repeat=repeat) for size in (90, 180, 350, 700) for repeat in (0, 1)
    ]
    measured = lf.run_points(points, (parts.train, parts.test), plans["forest"], lf.Training(seed=0), jobs=1)
    curve = lf.fit_learning_curve(
        [one.n_train for one in measured],
        [one.accuracy for one in measured],
        rng=np.random.default_rng(0),
        test_n=len(parts.test),
    )
    print(curve.sentence())
    print(curve.needed(0.93).sentence())


if __name__ == "__main__":
    main()
