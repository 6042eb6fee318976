"""The benchmarks by name: what each measures, what it needs, and how it is run.

`python -m benchmarks` lists and runs them; the table of README.md is made from this list.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: its result is results/NAME.json.
        what: one line for tables.
        steps: commands in order: a script of this folder, or "lightfast", and its words. `{work}` stands for
            an empty folder of its own under build/, `{peer}` for the interpreter of the peers' environment,
            `{data}` for the folder that LIGHTFAST_DATA names.
        data: whether that folder is needed. Studies take what is there, and say in their result what it was.
        extras: whether the packages of extras.txt are needed.
    """

    name: str
    what: str
    steps: tuple[str, ...]
    data: bool = False
    extras: bool = False

    @property
    def peer(self) -> bool:
        """Whether it compares with what peers.txt lists."""
        return any("{peer}" in step for step in self.steps)


def _study(name: str, what: str, scale: str = "paper") -> Benchmark:
    return Benchmark(
        f"{name}-{scale}", what, (f"record_study.py {name} --scale {scale}",), data=name != "mnist-c"
    )


BENCHMARKS = (
    _study("mnist-c", "damaged digits: breakouts, fifteen kinds, held-out families, the paper's autoencoder"),
    Benchmark(
        "repair-default",
        "what `repair` gives by default: fifteen kinds, breakouts, how sure, what goes to a person",
        ("repair_default.py --work {work}",),
        data=True,
    ),
    Benchmark(
        "autoencoders",
        "four kinds of autoencoder, and readers made sturdier, on 5,000 digits",
        ("autoencoders.py --out {work}",),
    ),
    Benchmark(
        "repair-levers",
        "our repair without and with each of its levers, on 8,000 training digits",
        ("repair_levers.py --out {work}",),
        data=True,
    ),
    _study("svhn", "house numbers (the file says which data)"),
    _study(
        "emnist",
        "forests, dense networks and CNNs (the file says which data), cross-validation, hardest pairs",
    ),
    _study("quickdraw", "six hypotheses on drawings, learning curve, imbalance, regression"),
    Benchmark("forest-memory", "memory of the paper's forest on 112,800 × 784", ("forest_memory.py",)),
    _study(
        "assets",
        "a media library: four tasks over 20 draws and the full sets, heads, pretrained or not, other "
        "photographs",
    ),
    Benchmark(
        "peer-recipe",
        "the same photographs read by the plainest peer recipe",
        ("lightfast study assets --scale paper --out {work}/study", "peer_recipe.py --ours {work}/study"),
        data=True,
    ),
    Benchmark(
        "tagging-speed",
        "pictures a second from files to tags, beside the bare runtime and torchvision",
        ("tagging_speed.py",),
        data=True,
        extras=True,
    ),
    Benchmark(
        "cluster-overhead",
        "what a cluster of one machine costs beside that machine alone: `predict`, `crossval`",
        ("cluster_overhead.py",),
        data=True,
    ),
    Benchmark(
        "cluster-kills",
        "a machine killed while 20,000 pictures are tagged: finished, lost, there twice",
        ("cluster_kills.py",),
        data=True,
    ),
    Benchmark(
        "growth", "what a picture costs from 10,000 to a million: ingest, tag, search, curate", ("growth.py",)
    ),
    Benchmark(
        "scaling",
        "what each stage of tagging costs, and 1 to 1,000 workers simulated from it",
        ("scaling.py",),
        data=True,
    ),
    Benchmark(
        "ingest-speed",
        "first and second start on 20,000 files, memory; decoding a picture",
        ("ingest_speed.py --library 20000 --place {work}", "ingest_speed.py --folder clothing"),
        data=True,
    ),
    Benchmark(
        "rotted", "damage inside picture files: share found, false alarms, cost", ("rotted.py",), data=True
    ),
    _study("perturbations", "pictures changed for a frozen classifier: clean, degraded, transfer", "cpu"),
    Benchmark(
        "feature-speed",
        "photographs through a frozen backbone, ONNX Runtime beside torch",
        ("feature_speed.py",),
        data=True,
    ),
    Benchmark(
        "train_speed",
        "training of two small CNNs beside plain torch, torch tuned by hand and skorch",
        ("train_speed.py",),
        extras=True,
    ),
    Benchmark(
        "time_to_accuracy",
        "seconds until 99.4 % of MNIST's test digits are read rightly, ours beside peers' own recipes",
        ("time_to_accuracy.py {data} --peer {peer}",),
        data=True,
    ),
    Benchmark(
        "gpu_cifar",
        "CIFAR-10 on a graphics card: seconds and accuracy beside airbench (not run without a card)",
        ("gpu_cifar.py",),
        extras=True,
    ),
    Benchmark("explain-speed", "seconds of one explanation, by method", ("explain_speed.py",)),
    Benchmark(
        "perturbation_seeds",
        "what a frozen classifier gains by an enhancer that learnt from the same pictures, over seeds",
        ("perturbation_seeds.py --work {work}",),
        data=True,
    ),
    Benchmark("quick_studies", "what every study costs at its quick scale", ("quick_studies.py",)),
    Benchmark(
        "examples", "what examples 06 and 07 find, as explain.md and enhance.md quote it", ("examples.py",)
    ),
    Benchmark(
        "explain_coverage",
        "how often the intervals of `explain`'s checks hold on 6 to 24 pictures",
        ("explain_coverage.py",),
    ),
    Benchmark(
        "background",
        "whether planted background biases, none, and photographs are said to lean on the background",
        ("background.py",),
        data=True,
    ),
    Benchmark(
        "while-drawn",
        "the drawings paper's ten categories from strokes, accuracy while they are drawn, painted strokes "
        "beside Google's bitmaps",
        ("while_drawn.py",),
        data=True,
    ),
    Benchmark(
        "flat_maps", "strength of maps on pictures that show something and on blank ones", ("flat_maps.py",)
    ),
    Benchmark(
        "objects",
        "several objects in a picture: labels and boxes found, by way of proposing",
        ("objects.py",),
        data=True,
    ),
    Benchmark(
        "near-duplicates",
        "copies found by kind, false pairs, pictures of one scene, cost by number of pictures",
        ("near_duplicates.py",),
        data=True,
    ),
    Benchmark(
        "coverage",
        "how often the 95 % intervals hold the truth where pictures are few or hardly any is misread",
        ("coverage.py --sims 400",),
    ),
    Benchmark(
        "select", "what to label next, by strategy, beside a lot; 20 repeats", ("selection.py",), data=True
    ),
    Benchmark(
        "persons_hour",
        "decisions of a simulated person until the accuracy of all labels minus two points",
        ("persons_hour.py --repeats 8",),
        data=True,
    ),
    Benchmark(
        "text_search",
        "pictures found by words without labels, and what is answered to words of things that are not there",
        ("text_search.py",),
        data=True,
    ),
    Benchmark(
        "live_head",
        "seconds of a refit of the live head, and how near its accuracies are to the truth",
        ("live_head.py",),
        data=True,
    ),
    Benchmark(
        "clusters",
        "purity of clusters at 60 % coverage beside plain k-means, and how well it was predicted",
        ("clusters.py",),
        data=True,
    ),
    Benchmark(
        "map_speed",
        "seconds and memory of a map and clusters of 20,000, nearest neighbours of 100,000",
        ("map_speed.py",),
    ),
    Benchmark("map_page", "frames a second of the interactive map with 50,000 points", ("map_page.py",)),
    Benchmark(
        "pages",
        "the pages in a browser: key to next picture and to its decision, pictures a minute, a grid of "
        "100,000",
        ("pages.py",),
    ),
    Benchmark(
        "page_run",
        "from an unlabelled folder of photographs to a classifier by a scripted hand on the pages",
        ("page_run.py",),
        data=True,
    ),
    Benchmark(
        "label-issues",
        "label issues on crowd and planted noise beside cleanlab: ranking, cut, counts, suggestions, "
        "clean-up, speed",
        ("label_issue_probs.py {work}", "label_issues.py {work} --peer {peer}"),
        data=True,
    ),
    Benchmark(
        "library-kills",
        "a library's workers and reviewers killed at random moments: acts lost, done twice",
        ("library_kills.py --kills 100",),
    ),
    Benchmark(
        "library-kills-slow",
        "the same of retrainings, and of the server over HTTP",
        ("library_kills.py --only retrain serve --kills 100",),
    ),
    Benchmark(
        "library-reviewers",
        "1,000 decisions by 20 processes: lost, doubled, shown to two",
        ("library_reviewers.py",),
    ),
    Benchmark(
        "library-reviewers-http",
        "the same over HTTP: 1,000 decisions by 20 clients, each sent twice",
        ("library_reviewers.py --http",),
    ),
    Benchmark(
        "decide-speed",
        "a decision over HTTP until it is durable: milliseconds, processor time",
        ("decide_speed.py",),
    ),
    Benchmark(
        "library-index",
        "likeness on PostgreSQL by the index of pgvector and by comparing every picture: time, recall@10",
        ("library_index.py --work {work}",),
        data=True,
    ),
    Benchmark(
        "library-ten-million",
        "a PostgreSQL library of ten million rows: loading by COPY, searches by tags",
        ("library_ten_million.py --work {work}",),
    ),
    Benchmark(
        "library-search",
        "search and likeness in libraries of a million rows",
        ("library_search.py --work {work}",),
    ),
    Benchmark(
        "serve_speed",
        "what the service costs over the bare runtime",
        ("serve_speed.py --flat 560",),
        data=True,
    ),
    Benchmark("startup", "seconds until a command begins, and what each verb loads", ("startup.py",)),
    Benchmark(
        "flaws", "blurred, dark, odd pictures found among photographs, false alarms", ("flaws.py",), data=True
    ),
    Benchmark("tour", "the tour of README.md, typed and answered", ("tour.py",)),
    Benchmark(
        "corrupt_speed",
        "pictures a second of every corruption, beside imagecorruptions",
        ("corrupt_speed.py --peer {peer}",),
    ),
)
