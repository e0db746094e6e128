"""What the package knows about each data set: its archive, its mirrors and its files."""

from __future__ import annotations

from dataclasses import dataclass, field

_MOVIELENS = "https://files.grouplens.org/datasets/movielens/"
_HUGGING_FACE = "https://huggingface.co/datasets/Recommenders/MovieLens/resolve/main/"


@dataclass(frozen=True)
class Source:
    """Where a data set is published and how its files are recognised.

    Attributes
    ----------
    name : str
        Name of the data set; also the folder it lives in below a data home or the cache.
    mirrors : tuple of str
        Addresses of the same archive, tried in turn.
    sha256 : str
        Digest of the archive. An archive with another digest is never opened.
    prefix : str
        Folder of the files inside the archive, with its final slash; empty where they lie at the top.
    members : dict of str to (str or None)
        The files that the loader reads, each with its SHA-256 where it is pinned.
        The digests of files, unlike their sizes, also tell a copy with converted
        line ends or a few altered counts from the published one.
    n_ratings : int or None
        Number of ratings, where the file of the ratings has no pinned digest.
    aliases : tuple of str
        Other folder names under which the unpacked archive is found.
    """

    name: str
    mirrors: tuple[str, ...]
    sha256: str
    prefix: str
    members: dict[str, str | None] = field(repr=False)
    n_ratings: int | None = None
    aliases: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """Folder names to look for below a data home."""
        return (self.name, *self.aliases)


_ALL = (
    Source(
        "ml-latest-small",
        (
            _MOVIELENS + "ml-latest-small.zip",
            "https://raw.githubusercontent.com/neaorin/databricks-workshop/master/data/ml-latest-small.zip",
        ),
        "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
        "ml-latest-small/",
        {
            "ratings.csv": "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646",
            "movies.csv": "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07",
            "links.csv": "97ad18e4e56a09363c65676b6cb3482ce3e2cea2372a24620c1599c843325f31",
        },
    ),
    Source(
        "ml-100k",
        (_MOVIELENS + "ml-100k.zip", _HUGGING_FACE + "ml-100k.zip"),
        "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        "ml-100k/",
        {
            "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
            "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
            "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
        },
    ),
    Source(
        "ml-1m",
        (_MOVIELENS + "ml-1m.zip", _HUGGING_FACE + "ml-1m.zip"),
        "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        "ml-1m/",
        dict.fromkeys(["ratings.dat", "movies.dat", "users.dat"]),
        n_ratings=1_000_209,
    ),
    Source(
        "ml-25m",
        (_MOVIELENS + "ml-25m.zip",),
        "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
        "ml-25m/",
        dict.fromkeys(["ratings.csv", "movies.csv", "links.csv"]),
        n_ratings=25_000_095,
    ),
    Source(
        "lastfm-2k",
        ("https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip",),
        "6738f48195667ff03caaab4d32ca9a3133d8cc026b7c3cdaf6ce1010e913c59c",
        "",
        {
            "user_artists.dat": "001400dc3c7d2667fca6e4ea6dc6acc31a9dd28ad5cd0f74cea988c019934d3b",
            "artists.dat": "c173881362c6b28551368fecb3c0be5a6a30a6cd859e1f5775413dfe46d48648",
        },
        aliases=("hetrec2011-lastfm-2k",),
    ),
)
SOURCES = {source.name: source for source in _ALL}
