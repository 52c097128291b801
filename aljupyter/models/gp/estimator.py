"""What the classifier and the regressor have in common beyond scikit-learn's face."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from gpytorch.kernels import Kernel
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from torch import Tensor

from aljupyter.data.subset import Subset
from aljupyter.models.gp import storage
from aljupyter.models.gp.checks import check_features, check_fitted
from aljupyter.models.gp.joint import LatentJoint, draw_jointly
from aljupyter.models.gp.process import GaussianProcess


class GPEstimator(BaseEstimator):
    """A GP, or one a class, that says more than scikit-learn asks: joint draws and covariances; and that can be saved.

    Attributes
    ----------
    models_ : tuple of GaussianProcess
    """

    if TYPE_CHECKING:

        @property
        def models_(self) -> Sequence[GaussianProcess]: ...

    def _units(self) -> tuple[float, float]:
        """Mean and scale of the target: that of which the GPs are about less the mean, in units of the scale."""
        return 0.0, 1.0

    def sample_latent(self, X: ArrayLike | Tensor, n_draws: int = 1, seed: int = 0) -> NDArray[np.float64]:
        """Joint draws of the latent function: each draw is one function, seen at all points.

        Exact, by a Cholesky factor of the points' covariance: M^3 / 3 operations and 16 M^2 bytes.

        Parameters
        ----------
        X : array-like of shape (M, D)
            10,000 points at most.
        n_draws : int
        seed : int
            The same seed gives the same draws, and the same first draws for any number of them.

        Returns
        -------
        ndarray of shape (S, M), or (S, M, C) for a classifier of C > 2 classes
            A regressor's in units of the target, without the noise of an observation; a classifier's in logits (the
            functions of C > 2 classes are independent of each other).

        Raises
        ------
        NotFitted, WrongShape, NonFiniteFeatures
        ModelError
            For a number of draws below one.
        TooLargeForMemory
        """
        check_fitted(self)
        x_M_D = check_features(self, X, reset=False, device=self.device)
        mean, scale = self._units()
        draws = (mean + scale * draw_jointly(self.models_, x_M_D, n_draws, seed)).cpu().numpy()
        return draws[0] if len(draws) == 1 else np.moveaxis(draws, 0, -1)

    def latent_joint(self, points: Tensor | Subset) -> LatentJoint:
        """Covariances of the latent function between any of these points, computed when asked for.

        Parameters
        ----------
        points : Tensor of shape (N, D) or Subset
            A regressor's covariances are in squared units of the target.

        Raises
        ------
        NotFitted
        """
        check_fitted(self)
        return LatentJoint(self.models_, points, self._units()[1] ** 2)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one file, in the safetensors format; a file of this name is replaced as a whole.

        In it are the labelled points, hyperparameters, posterior, and all parameters of the estimator, but not the code
        of a kernel of your own. It takes about 8 N^2 bytes (a class, for more than two), N the number of labels.

        Parameters
        ----------
        path : str or path-like
            Ends in ".safetensors" by custom.

        Raises
        ------
        NotFitted
        ModelError
            For class labels that are not numbers, strings or booleans.
        OSError
            Where the file cannot be written; one that was there stays as it was.
        """
        check_fitted(self)
        storage.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], kernel: Kernel | None = None) -> Self:
        """Read a model that :meth:`save` wrote: it predicts the same, bit for bit. No code in the file is run.

        Parameters
        ----------
        path : str or path-like
        kernel : gpytorch.kernels.Kernel, optional
            For a model with a kernel of your own: one of the same structure; its values do not matter.

        Raises
        ------
        ModelError
            Where the file is no such file, damaged, or of another class; where the kernel is missing or another one.
        OSError
            Where the file cannot be read.
        """
        return storage.load(cls, path, kernel)

    def _facts(self) -> dict[str, Any]:
        """What a fitted estimator knows beside its GPs, as JSON values: for :meth:`save`."""
        raise NotImplementedError

    def _rebuilt(self, X: Tensor, y_B_N: Tensor, facts: dict[str, Any]) -> Sequence[GaussianProcess]:
        """Set all that a fit sets, and give the GPs on these points, not conditioned: for :meth:`load`."""
        raise NotImplementedError
