"""FID, IS, KID, precision and recall by their definitions, in float64 with numpy and scipy, and nothing clever."""

import numpy as np
import scipy.linalg
from scipy.spatial.distance import cdist
from scipy.special import softmax


def frechet(a, b):
    """The Frechet distance of the normal distributions of two sets of features [n, d]."""
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    difference = a.mean(0) - b.mean(0)
    return difference @ difference + np.trace(s) + np.trace(t) - 2 * np.trace(scipy.linalg.sqrtm(s @ t)).real


def inception_score(logits, splits):
    """Mean and deviation over consecutive parts of exp(E KL(p(y|x), p(y)))."""
    p = softmax(logits, axis=1)
    scores = []
    for i in range(splits):
        part = p[i * len(p) // splits:(i + 1) * len(p) // splits]
        marginal = part.mean(0)
        scores.append(np.exp((part * (np.log(part) - np.log(marginal))).sum(1).mean()))
    return np.mean(scores), np.std(scores)


def kernel_distance(a, b):
    """The unbiased squared maximum mean discrepancy over all pairs, with the kernel (x.y / d + 1)^3."""
    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(k):
        return (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))

    return within(kernel(a, a)) + within(kernel(b, b)) - 2 * kernel(a, b).mean()


def precision_recall(reference, samples, k):
    """Shares of the samples (references) within the distance of an image of the other set to its k-th neighbour."""
    def radii(x):
        return np.sort(cdist(x, x), axis=1)[:, k]

    between = cdist(reference, samples)
    precision = (between <= radii(reference)[:, None]).any(0).mean()
    recall = (between <= radii(samples)[None, :]).any(1).mean()
    return precision, recall
