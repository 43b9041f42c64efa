"""The data sets kerasdl knows by name: what they hold, their files and their terms.

Checksums are of the unpacked content, so a file that was compressed again
(.gz, .xz, another archive) still verifies.
"""

import dataclasses
import re
from typing import Literal

from kerasdl.suggest import hint

Format = Literal["idx", "mat", "cifar", "folder"]


@dataclasses.dataclass(frozen=True)
class OfficialFile:
    """One file of a data set as its publisher names it.

    Args:
        name: The name without .gz or .xz.
        sha256: SHA-256 of the unpacked content.
        limit: The largest unpacked size in bytes that is read; more is refused.
    """

    name: str
    sha256: str
    limit: int


@dataclasses.dataclass(frozen=True)
class Entry:
    """One data set of the catalog.

    Args:
        name: What a user types.
        title: The name for people.
        format: Which reader its files need.
        image_shape: Height, width, channels.
        class_names: One name per label.
        num_train: Images in the whole training part.
        num_test: Images in the whole test part.
        train_files: The files of the training part (idx: images, then labels).
        test_files: The files of the test part.
        archives: Names (without suffix) of the archives it is published in.
        content_sha256: `Dataset.sha256` of the whole set, for sets without
            single official files.
        homepage: Where it is published; empty where no lasting page is known.
        terms: Its licence or terms of use in one line.
        tfds_name: Its name in TensorFlow Datasets, or None.
        tfds_url: A file that TensorFlow Datasets would download for it.
        citation: The paper to cite.
    """

    name: str
    title: str
    format: Format
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    num_train: int
    num_test: int
    homepage: str
    terms: str
    citation: str
    train_files: tuple[OfficialFile, ...] = ()
    test_files: tuple[OfficialFile, ...] = ()
    archives: tuple[str, ...] = ()
    content_sha256: str | None = None
    tfds_name: str | None = None
    tfds_url: str | None = None

    @property
    def files(self) -> tuple[OfficialFile, ...]:
        """All official files, those of the training part first."""
        return self.train_files + self.test_files

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)


DIGITS = tuple("0123456789")


def _idx(name: str, sha256: str, count: int, pixels: int = 0) -> OfficialFile:
    # 4 bytes of magic and 4 per dimension stand before the values.
    return OfficialFile(name, sha256, 16 + count * pixels if pixels else 8 + count)


def _mat(name: str, sha256: str, count: int) -> OfficialFile:
    # Uncompressed: 32 x 32 x 3 pixels and a label (as double at most), and headers.
    return OfficialFile(name, sha256, count * (32 * 32 * 3 + 8) + 65536)


def _batch(name: str, sha256: str) -> OfficialFile:
    # The official batches have 31.04 MB: 10 000 x 3072 pixels, names and labels.
    return OfficialFile(name, sha256, 32 * 10**6)


MNIST = Entry(
    name="mnist",
    title="MNIST",
    format="idx",
    image_shape=(28, 28, 1),
    class_names=DIGITS,
    num_train=60_000,
    num_test=10_000,
    train_files=(
        _idx(
            "train-images-idx3-ubyte",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            60_000,
            28 * 28,
        ),
        _idx(
            "train-labels-idx1-ubyte",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            60_000,
        ),
    ),
    test_files=(
        _idx(
            "t10k-images-idx3-ubyte",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            10_000,
            28 * 28,
        ),
        _idx(
            "t10k-labels-idx1-ubyte",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            10_000,
        ),
    ),
    homepage="http://yann.lecun.com/exdb/mnist/",
    terms="Creative Commons Attribution-Share Alike 3.0",
    tfds_name="mnist",
    tfds_url="https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
    citation="LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document "
    "recognition. Proceedings of the IEEE 86(11), 1998.",
)

# Its files have MNIST's names: only the content tells the two sets apart.
FASHION_MNIST = Entry(
    name="fashion_mnist",
    title="Fashion-MNIST",
    format="idx",
    image_shape=(28, 28, 1),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    num_train=60_000,
    num_test=10_000,
    train_files=(
        _idx(
            "train-images-idx3-ubyte",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            60_000,
            28 * 28,
        ),
        _idx(
            "train-labels-idx1-ubyte",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            60_000,
        ),
    ),
    test_files=(
        _idx(
            "t10k-images-idx3-ubyte",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            10_000,
            28 * 28,
        ),
        _idx(
            "t10k-labels-idx1-ubyte",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            10_000,
        ),
    ),
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    terms="MIT licence",
    tfds_name="fashion_mnist",
    tfds_url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
    citation="Xiao, Rasul, Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking "
    "machine learning algorithms. arXiv:1708.07747, 2017.",
)

CIFAR10 = Entry(
    name="cifar10",
    title="CIFAR-10",
    format="cifar",
    image_shape=(32, 32, 3),
    class_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    num_train=50_000,
    num_test=10_000,
    train_files=(
        _batch("data_batch_1", "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd"),
        _batch("data_batch_2", "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8"),
        _batch("data_batch_3", "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9"),
        _batch("data_batch_4", "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b"),
        _batch("data_batch_5", "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154"),
    ),
    test_files=(
        _batch("test_batch", "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831"),
    ),
    archives=("cifar-10-python",),
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    terms="No licence stated; the publisher asks to cite the technical report",
    tfds_name="cifar10",
    tfds_url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    citation="Krizhevsky: Learning multiple layers of features from tiny images. "
    "Technical report, University of Toronto, 2009.",
)

# In the files the label 10 stands for the digit 0, as MATLAB counts from 1; the
# reader makes it 0, so that a label is its digit. The published .mat files are
# compressed inside, so their checksums are of the .mat files themselves. The 531 131
# "extra" images are easier and are not part of the train/test comparison.
SVHN = Entry(
    name="svhn",
    title="SVHN (cropped digits)",
    format="mat",
    image_shape=(32, 32, 3),
    class_names=DIGITS,
    num_train=73_257,
    num_test=26_032,
    train_files=(
        _mat(
            "train_32x32.mat",
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            73_257,
        ),
    ),
    test_files=(
        _mat(
            "test_32x32.mat",
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            26_032,
        ),
    ),
    homepage="http://ufldl.stanford.edu/housenumbers/",
    terms="For non-commercial research only",
    tfds_name="svhn_cropped",
    tfds_url="http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
    citation="Netzer, Wang, Coates, Bissacco, Wu, Ng: Reading digits in natural images with "
    "unsupervised feature learning. NIPS workshop, 2011.",
)

# Published as two folders of images, train and val, without a test folder: the 178
# images its publisher calls val are what results are reported on, so they are the
# test part here. Four of them repeat training images, and two more each other.
GURMUKHI = Entry(
    name="gurmukhi",
    title="Gurmukhi handwritten digits",
    format="folder",
    image_shape=(32, 32, 1),
    class_names=DIGITS,
    num_train=1_000,
    num_test=178,
    content_sha256="957a7e1522ef3cebd067e6938659b88fa26c25bd04c9864ed66faa64cf67ae65",
    homepage="",
    terms="None stated",
    citation="",
)

ENTRIES: dict[str, Entry] = {
    entry.name: entry for entry in (MNIST, FASHION_MNIST, CIFAR10, SVHN, GURMUKHI)
}
SYNTHETIC_SHAPES: dict[str, tuple[int, int, int]] = {
    "synthetic": (32, 32, 3),
    "synthetic_gray": (28, 28, 1),
}
NAMES: tuple[str, ...] = (*ENTRIES, *SYNTHETIC_SHAPES)


def canonical(name: str) -> str | None:
    """Returns the catalog's spelling of `name` ("Fashion-MNIST", "CIFAR 10"), or None."""
    plain = re.sub(r"[\s_-]", "", name).lower()
    return next((known for known in NAMES if known.replace("_", "") == plain), None)


def unknown_name(name: str) -> ValueError:
    """Returns the error for a name that is neither in the catalog nor a folder."""
    return ValueError(
        f"A data set is one of {', '.join(NAMES)}, or the path of a folder with one folder "
        f"of images per class. Received: {name!r}.{hint(name, NAMES)}"
    )
