"""Where points of the map are placed: vectors → 2-D points, all pure functions of their arguments.

Nothing here knows a page, a thread, a file or UMAP. Everything is deterministic: no random number is drawn.
Vectors are (points, width); coordinates (points, 2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import euclidean_distances

from grace_core.codebook.geometry import rough_distances

Array = NDArray[np.float64]

# A true distance below this counts as this in the stress weights 1/d²; else one duplicate would outvote all the rest.
_NEAREST_WEIGHTED = 0.1
# A new point is placed by its distances to this many of its nearest placed points.
_ANCHORS = 24
# Share of the map's span that must lie between a new point and the point it duplicates, so that both can be seen.
_NUDGE = 0.018
# So near its key, of the usual distance to keys, the same prompt is drawn: inside the circle, yet not under the key.
_LEAST = 0.05
_GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))
# Points truly nearer than this are the same prompt, as far as the map's scale goes.
_SAME = 0.02
# Rows of a distance matrix computed at once; bounds memory at some ten MB per thousand columns.
_CHUNK = 1024


def distances(left: np.ndarray, right: np.ndarray) -> Array:
    """Euclidean distances, (left, right). Rounding leaves up to about 1e-7 where the truth is 0."""
    found: Array = euclidean_distances(np.asarray(left, np.float64), np.asarray(right, np.float64))
    return found


def _nearest(table: Array, count: int) -> NDArray[np.intp]:
    """Columns of the `count` smallest values of each row, smallest first."""
    if count >= table.shape[1]:
        return np.argsort(table, axis=1, kind="stable")
    some = np.argpartition(table, count, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(table, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def principal(vectors: np.ndarray) -> Array:
    """The two leading principal components; for Euclidean distances this *is* classical MDS.

    The sign of each axis is fixed (its largest coordinate is positive), so equal input gives an equal map.
    """
    count, width = vectors.shape
    xy = np.zeros((count, 2))
    if count < 2:
        return xy
    solver = "full" if count <= width else "covariance_eigh"
    with np.errstate(invalid="ignore"):  # points that are all the same have no variance to take a share of
        leading = PCA(min(2, count, width), svd_solver=solver).fit_transform(np.asarray(vectors, np.float64))
    xy[:, : leading.shape[1]] = leading
    signs = np.sign(xy[np.abs(xy).argmax(0), np.arange(2)])
    return xy * np.where(signs == 0, 1.0, signs)


def multidimensional(vectors: np.ndarray, *, iterations: int = 300) -> Array:
    """Metric MDS of few points: classical MDS, then its stress lowered by majorisation (weights 1/d²).

    Classical MDS alone drops every dimension but two, and so may put keys on top of each other which are as far apart
    as keys can be; lowering the stress pulls them apart.
    """
    xy = principal(vectors)
    count = len(xy)
    if count < 3:
        if count == 2:  # One dimension is enough, and exact.
            half = float(distances(vectors[:1], vectors[1:])[0, 0]) / 2
            xy = np.array([[-half, 0.0], [half, 0.0]])
        return xy
    true = distances(vectors, vectors)
    weight = 1.0 / np.maximum(true, _NEAREST_WEIGHTED) ** 2
    np.fill_diagonal(weight, 0.0)
    laplacian = np.diag(weight.sum(1)) - weight
    inverse = np.linalg.pinv(laplacian)
    for _ in range(iterations):
        flat = distances(xy, xy)
        ratio = np.divide(weight * true, flat, out=np.zeros_like(flat), where=flat > 1e-9)
        guttman = np.diag(ratio.sum(1)) - ratio
        moved = inverse @ (guttman @ xy)
        if float(np.abs(moved - xy).max()) < 1e-7:
            return moved
        xy = moved
    return xy


def place(new: np.ndarray, anchors: np.ndarray, anchor_xy: np.ndarray, *, scale: float = 1.0) -> Array:
    """Coordinates for `new` vectors among points that stay where they are.

    Each new point minimises the weighted stress to its nearest placed points, map distance = `scale` × true distance.
    Points are placed in order and in growing groups: those of one group do not see each other, later groups see them.
    """
    if len(anchors) == 0:
        raise ValueError("place() got no anchors; make a first layout with multidimensional() or principal().")
    placed_vectors, placed = np.asarray(anchors, np.float64), np.asarray(anchor_xy, np.float64)
    rest = np.asarray(new, np.float64)
    done: list[Array] = []
    offset = 0
    while offset < len(rest):
        group = rest[offset : offset + min(max(1, len(placed) // 4), _CHUNK)]
        xy = _apart(_place_group(group, placed_vectors, placed, scale, offset), placed)
        done.append(xy)
        placed_vectors, placed = np.concatenate([placed_vectors, group]), np.concatenate([placed, xy])
        offset += len(group)
    return np.concatenate(done) if done else np.zeros((0, 2))


def _place_group(group: Array, vectors: Array, xy: Array, scale: float, offset: int) -> Array:
    true = distances(group, vectors)
    count = min(_ANCHORS, len(vectors))
    nearest = _nearest(true, count)
    true = np.take_along_axis(true, nearest, axis=1)
    weight = 1.0 / np.maximum(true, _NEAREST_WEIGHTED) ** 2  # (group, anchors)
    target = true * scale
    anchors = xy[nearest]  # (group, anchors, 2)

    # Majorisation finds the nearest valley only, so it starts from the best of eight points around the nearest anchor.
    turn = _GOLDEN_ANGLE * (offset + np.arange(len(group)))[:, None] + np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * target[:, :1, None]
    starts = anchors[:, :1] + ring  # (group, 8, 2)
    flat = np.linalg.norm(starts[:, :, None] - anchors[:, None], axis=-1)
    stress = (weight[:, None] * (flat - target[:, None]) ** 2).sum(-1)
    points: Array = starts[np.arange(len(group)), stress.argmin(1)]

    total = weight.sum(1, keepdims=True)
    for _ in range(60):
        away = points[:, None] - anchors
        length = np.maximum(np.linalg.norm(away, axis=-1), 1e-9)
        pull = anchors + away * (target / length)[..., None]
        points = (weight[..., None] * pull).sum(1) / total
    return points


def _apart(xy: Array, placed: Array) -> Array:
    """Moves points off those that they would hide: the same prompt asked again becomes a small spiral of dots."""
    step = _NUDGE * max(float(np.ptp(placed, axis=0).max()), 1.0)
    everything = placed
    moved = xy.copy()
    for row, point in enumerate(xy):
        away = np.linalg.norm(everything - point, axis=1)
        if away.min() < step * 0.9:
            centre = everything[away.argmin()]
            crowd = int((np.linalg.norm(everything - centre, axis=1) < 5 * step).sum())
            angle = _GOLDEN_ANGLE * crowd
            moved[row] = centre + step * (1 + 0.15 * np.sqrt(crowd - 1)) * np.array([np.cos(angle), np.sin(angle)])
        if len(xy) <= 64:  # Large groups are not worth the quadratic walk: there, dots overlap anyway.
            everything = np.concatenate([everything, moved[row : row + 1]])
    return moved


def beside(xy: np.ndarray, new: np.ndarray, anchors: np.ndarray, anchor_xy: np.ndarray) -> Array:
    """Puts new points that have one clearly nearest placed point beside it; all others stay at `xy`.

    UMAP's `transform` weighs a point's 15 neighbours so evenly that a rephrasing of an edited prompt, or the very same
    prompt, may land far from its key. Here such a point keeps the direction that `transform` gave it, at its true
    distance times the anchor's local scale.
    """
    moved = _drawn_near(np.asarray(xy, np.float64), new, anchors, anchor_xy, anchors, anchor_xy, least=0.0)
    return _apart(moved, np.asarray(anchor_xy, np.float64))


def beside_keys(xy: np.ndarray, vectors: np.ndarray, keys: int) -> Array:
    """The same for a layout that UMAP has just fitted: the first `keys` points are keys and stay where they are.

    A fit keeps neighbourhoods rather than distances, and may draw a rephrasing farther from its key than other keys. The
    scale is that of the key's circle. Points lie apart already, but the same prompt as a key's must not hide under it.
    """
    placed = np.asarray(xy, np.float64)
    if not 0 < keys < len(placed):
        return placed
    near = _drawn_near(placed[keys:], vectors[keys:], vectors[:keys], placed[:keys], vectors, placed, least=_LEAST)
    return np.concatenate([placed[:keys], near])


def _drawn_near(
    xy: Array, new: np.ndarray, anchors: np.ndarray, anchor_xy: np.ndarray,
    points: np.ndarray, point_xy: np.ndarray, *, least: float,
) -> Array:  # fmt: skip
    """`xy` with those that have one clearly nearest anchor drawn towards it, never away.

    Clearly nearest: less than 0.6 of the median distance to its 15 nearest anchors; `least` of that is how near one may be
    drawn. points, point_xy: what the local scale is taken from.
    """
    moved = xy.copy()
    near, hosts, apart = [], [], []
    for begin in range(0, len(xy), _CHUNK):
        true = distances(new[begin : begin + _CHUNK], anchors)
        nearest = _nearest(true, 15)
        closest = np.take_along_axis(true, nearest, axis=1)
        usual = np.median(closest, axis=1)
        rows = np.flatnonzero(closest[:, 0] < 0.6 * usual)
        near.append(begin + rows)
        hosts.append(nearest[rows, 0])
        apart.append(np.maximum(closest[rows, 0], least * usual[rows]))
    rows, host = np.concatenate(near), np.concatenate(hosts)
    if len(rows):
        each, at = np.unique(host, return_inverse=True)
        scale = local_scales(anchors[each], anchor_xy[each], points, point_xy)[at]
        away = moved[rows] - anchor_xy[host]
        length = np.maximum(np.linalg.norm(away, axis=1), 1e-9)
        reach = np.minimum(np.concatenate(apart) * scale, length)
        moved[rows] = anchor_xy[host] + away * (reach / length)[:, None]
    return moved


def align(xy: np.ndarray, reference: np.ndarray) -> tuple[Array, Array]:
    """The rotation (perhaps with reflection) and shift that bring `xy` closest to `reference`: `xy @ rotation + shift`.

    A new layout keeps the orientation of the old one this way. Scale is left alone.
    """
    source, goal = np.asarray(xy, np.float64), np.asarray(reference, np.float64)
    rotation, _ = orthogonal_procrustes(source - source.mean(0), goal - goal.mean(0))
    return rotation, goal.mean(0) - source.mean(0) @ rotation


def local_scales(
    centres: np.ndarray, centre_xy: np.ndarray, points: np.ndarray, point_xy: np.ndarray, *, neighbours: int = 8
) -> Array:
    """How long one unit of true distance is on the map, around each centre.

    It is the median of (map distance / true distance) over the `neighbours` points that are truly nearest, duplicates
    left out. ε × scale is an *approximate* ε-ball: a plane cannot keep all distances of a wide space, and measured
    on clustered data this ratio varies several-fold between keys. A centre without neighbours gets the median
    of the others' scales, or 1.
    """
    scales = own_scales(centres, centre_xy, points, point_xy, neighbours=neighbours)
    return np.where(np.isnan(scales), usual_scale(scales), scales)


def usual_scale(scales: Array) -> float:
    """For a centre that has no scale of its own: the median of those that have one, or 1."""
    known = scales[~np.isnan(scales)]
    return float(np.median(known)) if len(known) else 1.0


def own_scales(
    centres: np.ndarray, centre_xy: np.ndarray, points: np.ndarray, point_xy: np.ndarray, *, neighbours: int = 8
) -> Array:
    """`local_scales`, NaN for a centre that has none of its own. A centre's is the same bits in any company.

    Products in float32 choose which points can be among the nearest; those are measured one by one.
    """
    scales = np.full(len(centres), np.nan)
    for begin in range(0, len(centres), _CHUNK):
        rough, slack = rough_distances(centres[begin : begin + _CHUNK], points, "euclidean")
        for row, (near, off) in enumerate(zip(rough, slack[:, 0], strict=True), start=begin):
            apart = near[near >= _SAME + off]
            reach = np.partition(apart, neighbours - 1)[neighbours - 1] + 2 * off if len(apart) >= neighbours else np.inf
            some = np.flatnonzero((near >= _SAME - off) & (near <= reach))
            true = np.linalg.norm(points[some].astype(np.float64) - centres[row], axis=1)
            some, true = some[true >= _SAME], true[true >= _SAME]
            closest = np.argsort(true, kind="stable")[:neighbours]
            flat = np.linalg.norm(point_xy[some[closest]] - centre_xy[row], axis=1)
            scale = float(np.median(flat / true[closest])) if len(closest) else 0.0
            scales[row] = scale if scale > 0 else np.nan
    return scales
