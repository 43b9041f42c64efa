"""Features of many numbers as points in a plane, and how much of them such a picture keeps.

Two pictures of the same features, both by scikit-learn:

- principal components (Pearson, "On lines and planes of closest fit to systems of points in
  space", Philosophical Magazine 2 (1901), pp. 559-572): the plane in which the features vary
  most. Its distances are true ones, seen from one side;
- t-SNE (van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9 (2008), pp.
  2579-2605) of the first 50 principal components: neighbours stay neighbours. The size of its
  groups and the distances between them mean nothing.

Eyes find groups in any cloud of points, so each comes with a number: of an image's nearest
neighbours, how many have its class, in the features themselves and in the picture.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

COMPONENTS = 50
PERPLEXITY = 30.0
NEIGHBOURS = 10
MOST = 2_000
"""t-SNE takes about n log n; more points than this hide each other anyway."""

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding:
    """Features in a plane, twice.

    Args:
        components: float64 array (n, 2), the first two principal components.
        variance: The shares of all variance that these two have, 0..1.
        neighbours: float64 array (n, 2), t-SNE's.
        agreement: Of an image's NEIGHBOURS nearest, the mean share that has its class: in the
            features, in the principal components' plane, in t-SNE's.
        chance: The share that chance would give, with these numbers of images by class.
    """

    components: Floats
    variance: tuple[float, float]
    neighbours: Floats
    agreement: tuple[float, float, float]
    chance: float


def choose(count: int, limit: int, seed: int) -> npt.NDArray[np.int64]:
    """Returns which of `count` images are shown: at most `limit`, drawn by lot, in order.

    Args:
        count: Number of images, >= 0.
        limit: The most to show.
        seed: The same seed draws the same images.
    """
    if count <= limit:
        return np.arange(count)
    drawn = np.random.default_rng(seed).choice(count, limit, replace=False)
    return np.sort(drawn)


def embed(features: npt.ArrayLike, labels: npt.ArrayLike, *, seed: int) -> Embedding | None:
    """Brings features into a plane.

    Args:
        features: Real array (n, d), n between 2 · NEIGHBOURS and MOST.
        labels: Integer array (n,), the classes.
        seed: Of t-SNE and of the principal components; the same gives the same picture.

    Returns:
        The two pictures; None where all features are equal, so that there is nothing to see.

    Raises:
        ValueError: If shapes do not fit, or a feature is NaN or infinite.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    points, classes = np.asarray(features, np.float64), np.asarray(labels)
    fits = points.ndim == 2 and classes.shape == points.shape[:1]
    if not fits or not 2 * NEIGHBOURS <= len(points) <= MOST:
        raise ValueError(
            f"expected features (n, d) and one label each, {2 * NEIGHBOURS} <= n <= {MOST}. "
            f"Received: features {points.shape}, labels {classes.shape}"
        )
    if not np.isfinite(points).all():
        raise ValueError("features must be finite. Received: NaN or infinity among them")
    # Sums differ with the number of threads in their last digits, and t-SNE with them in all.
    with threadpool_limits(1):
        kept = min(COMPONENTS, *points.shape)
        analysis = PCA(kept, svd_solver="randomized", random_state=seed)
        if np.ptp(points, axis=0).max() == 0:
            return None
        reduced = analysis.fit_transform(points)
        plane = reduced[:, :2] if kept > 1 else np.pad(reduced, ((0, 0), (0, 1)))
        shares = [*analysis.explained_variance_ratio_.tolist(), 0.0]
        perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
        tsne = TSNE(perplexity=perplexity, init=_start(plane), random_state=seed, n_jobs=1)
        near = tsne.fit_transform(reduced).astype(np.float64)
        agreement = tuple(_agreement(one, classes) for one in (points, plane, near))
    counts = np.unique(classes, return_counts=True)[1]
    return Embedding(
        components=plane,
        variance=(shares[0], shares[1]),
        neighbours=near,
        agreement=(agreement[0], agreement[1], agreement[2]),
        chance=float((counts * (counts - 1)).sum() / (len(points) * (len(points) - 1))),
    )


def _start(plane: Floats) -> npt.NDArray[np.float32]:
    """Returns where t-SNE begins: the principal components, made small.

    So groups that are far apart begin far apart (Kobak and Berens, "The art of using t-SNE for
    single-cell transcriptomics", Nature Communications 10 (2019), 5416).
    """
    return np.asarray(plane / plane[:, 0].std() * 1e-4, np.float32)


def _agreement(points: Floats, classes: npt.NDArray[np.generic]) -> float:
    """Returns the mean share of an image's nearest neighbours that are of its class."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(points)
    # Without arguments a point is no neighbour of its own.
    nearest = search.kneighbors(return_distance=False)
    return float(np.mean(classes[nearest] == classes[:, np.newaxis]))
