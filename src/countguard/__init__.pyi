"""The public names of countguard. Each is loaded from its module when it is first used."""

from .attacks.additive import LowFrequency, Sine
from .attacks.blend import Blend
from .attacks.patch import Patch
from .attacks.poisoning import Attack, PoisonedCrowds
from .attacks.strategies import STRATEGIES, Add, ClearRegion, Divide, FillRegion, Minus, Move, Multiply, Strategy
from .attacks.triggers import TRIGGERS, Trigger
from .attacks.warp import Warp
from .attacks.weather import Rain, Snow
from .audit.filters import FILTERS, Filter
from .audit.report import AuditReport
from .data.crowd import Crowd
from .data.density import density_map, density_maps
from .data.folder import Folder
from .data.kernels import Adaptive, Dots, Fixed
from .data.shanghaitech import ShanghaiTech
from .data.source import CrowdSplit, Source
from .data.sources import SOURCES, named_source
from .data.synthetic import Synthetic
from .defenses.defense import Defense, TrainedDefense
from .defenses.defenses import DEFENSES
from .defenses.fine_tune import FineTune
from .defenses.random_blend import RandomBlend
from .errors import InputError, RunError
from .explain.density import people_per_cell
from .explain.grad_cam import grad_cam
from .explain.panels import draw_panels, make_panels
from .metrics import METRICS, Measurement, Metric, Predictions, measure, metric
from .metrics.intervals import Interval
from .models import COUNTERS, Counter, build_counter, load_counter, save_counter, wrap
from .models.network import network
from .models.registry import counter
from .operate.evaluate import evaluate_counter
from .reports.figures.all_figures import FIGURES
from .reports.figures.figure import Figure, figure
from .reports.report import write_report
from .runs.plan import Plan
from .runs.predictions import predict
from .runs.run import Run
from .studies.recipe import Recipe
from .studies.resolve import read_recipe
from .studies.run import run_study
from .training.fit import fit
from .training.schedules import SCHEDULES, Constant, Cosine, Schedule
from .training.settings import Training

__version__: str

__all__ = [
    "COUNTERS",
    "DEFENSES",
    "FIGURES",
    "FILTERS",
    "METRICS",
    "SCHEDULES",
    "SOURCES",
    "STRATEGIES",
    "TRIGGERS",
    "Adaptive",
    "Add",
    "Attack",
    "AuditReport",
    "Blend",
    "ClearRegion",
    "Constant",
    "Cosine",
    "Counter",
    "Crowd",
    "CrowdSplit",
    "Defense",
    "Divide",
    "Dots",
    "Figure",
    "FillRegion",
    "Filter",
    "FineTune",
    "Fixed",
    "Folder",
    "InputError",
    "Interval",
    "LowFrequency",
    "Measurement",
    "Metric",
    "Minus",
    "Move",
    "Multiply",
    "Patch",
    "Plan",
    "PoisonedCrowds",
    "Predictions",
    "Rain",
    "RandomBlend",
    "Recipe",
    "Run",
    "RunError",
    "Schedule",
    "ShanghaiTech",
    "Sine",
    "Snow",
    "Source",
    "Strategy",
    "Synthetic",
    "TrainedDefense",
    "Training",
    "Trigger",
    "Warp",
    "__version__",
    "build_counter",
    "counter",
    "density_map",
    "density_maps",
    "draw_panels",
    "evaluate_counter",
    "figure",
    "fit",
    "grad_cam",
    "load_counter",
    "make_panels",
    "measure",
    "metric",
    "named_source",
    "network",
    "people_per_cell",
    "predict",
    "read_recipe",
    "run_study",
    "save_counter",
    "wrap",
    "write_report",
]
