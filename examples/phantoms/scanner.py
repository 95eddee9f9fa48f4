"""What one hospital's scanner does to a picture or a volume, and the smooth random fields that anatomy and scanner are made of."""

import dataclasses

import numpy


def smooth(values, sigma):
    """A Gaussian blur of standard deviation `sigma` (in pixels) along every axis, by the Fourier transform; the edges wrap around."""
    if sigma <= 0:
        return values
    spectrum = numpy.fft.rfftn(values)
    for axis, size in enumerate(values.shape):
        frequency = numpy.fft.rfftfreq(size) if axis == values.ndim - 1 else numpy.fft.fftfreq(size)
        weight = numpy.exp(-2 * (numpy.pi * sigma * frequency) ** 2)
        spectrum *= weight.reshape([-1 if other == axis else 1 for other in range(values.ndim)])
    return numpy.fft.irfftn(spectrum, values.shape, axes=range(values.ndim))


def field(draw, shape, sigma):
    """A smooth random field of mean 0 and standard deviation 1, with details of about `sigma` pixels."""
    made = smooth(draw.standard_normal(shape), sigma)
    return (made - made.mean()) / (made.std() + 1e-12)


def grid(shape):
    """The coordinates of each pixel, from -1 to 1 along each axis."""
    return numpy.meshgrid(*(numpy.linspace(-1, 1, size) for size in shape), indexing="ij")


@dataclasses.dataclass(frozen=True)
class Scanner:
    """How a hospital's images differ from the next one's. Every number is from 0 to 1, and is the same for all images of the hospital."""

    contrast: float  # which tissues are bright: 0 and 1 are the two ends of what the modality shows
    noise: float     # standard deviation, as a share of the largest that the modality has
    blur: float      # lost resolution, the same
    bias: float      # unevenness of the brightness, the same
    tone: float      # steepness of the curve from signal to grey value

    @staticmethod
    def of_sites(seed, sites):
        """One scanner for each site. Each attribute is spread evenly over the sites, in an order of its own."""
        draw = numpy.random.default_rng([seed, 1])
        levels = (numpy.arange(sites) + 0.5) / sites
        columns = [draw.permutation(levels) for _ in dataclasses.fields(Scanner)]
        return [Scanner(*map(float, row)) for row in zip(*columns)]

    def between(self, first, second):
        """A value between those of the modality's two ends of contrast."""
        return (1 - self.contrast) * numpy.asarray(first, float) + self.contrast * numpy.asarray(second, float)

    def acquire(self, signal, draw, blur=1.2, noise=0.12, bias=0.5):
        """An image, 0 to 1, of a signal (0 to 1) with channels, if any, last; the other numbers are the largest that the modality has."""
        shape = signal.shape[:3] if signal.ndim == 3 and signal.shape[2] > 4 else signal.shape[:2]
        layers = signal.reshape(*shape, -1)
        uneven = numpy.exp(bias * self.bias * field(draw, shape, max(shape) / 3) / 2)
        made = [smooth(layers[..., layer], blur * self.blur) * uneven for layer in range(layers.shape[-1])]
        made = numpy.stack(made, -1).clip(0, None) ** (0.6 + 0.9 * self.tone)
        made = made + draw.standard_normal(made.shape) * noise * (0.15 + 0.85 * self.noise)
        return made.reshape(signal.shape).clip(0, 1)
