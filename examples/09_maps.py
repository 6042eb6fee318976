"""Lay digits out on a map, find clusters that can be labelled at once, and label one. Some seconds on one
core.

Features are the pixels here, so that nothing has to be computed; for photographs `lightfast map` takes those
of a pretrained network, and writes a page to pan, zoom and lasso. docs/maps.md tells the whole of it.
"""

from __future__ import annotations

import numpy as np

import lightfast as lf

images = lf.load_images("mnist-5k").images.take(np.arange(0, 5_000, 10))
vectors = images.images.reshape(len(images), -1) / np.float32(255)

layout = lf.make_map(vectors, method="pca")
trust = layout.trust
print(
    f"two of {vectors.shape[1]} dimensions hold {100 * layout.variance_drawn:.1f} % of the variance; "
    f"trustworthiness {trust.trustworthiness:.3f}: {trust.verdict}"
)

found = lf.find_clusters(vectors, classes=10)
cores = sum(one.core for one in found.clusters)
print(f"{len(found.clusters)} clusters; {cores} of {len(images)} pictures in their cores")

# Somebody looks at two pictures of each core and says whether both are the same digit; the labels do it here.
labels = images.require_labels()
pairs = lf.pairs_to_check(found, 2)
found = lf.with_checked_pairs(found, pairs, labels[pairs[:, 0]] == labels[pairs[:, 1]])
predicted = sum(one.core * one.purity for one in found.clusters) / cores
true = sum(np.bincount(labels[found.members(one.number)]).max() for one in found.clusters if one.core) / cores
print(f"alike in their cores: predicted {100 * predicted:.1f} %, true {100 * true:.1f} %")

first = found.clusters[0]
name = images.class_names[labels[first.medoids[0]]]
decisions = lf.label_cluster(found, 0, name, images, reviewer="Ann")
print(f"cluster 1: {first.says} {len(decisions)} decisions, all '{decisions[0].reason}'")
