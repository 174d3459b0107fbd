"""The chart of weather.pty. It uses figures without pyplot, so it is safe in any thread."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import mean

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
INK, RANGE, TYPICAL, HOT, RAIN = "#333333", "#dfe5ec", "#9db4cc", "#c8452f", "#4f81b0"
LEAP_YEAR = 2012


def draw(
    days: Sequence[tuple[str, float, float, float]],
    station: tuple[str, float, float],
    path: Path,
) -> None:
    """Draw the days of a station into a PNG file.

    A day is its date, lowest and highest temperature (°C) and rain (mm); a station is its name,
    latitude and longitude.
    """
    figure = Figure(figsize=(10, 7.2), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.12)
    above, below = figure.subplots(2, 1, height_ratios=[3, 2])
    years = sorted({day[0][:4] for day in days})
    _temperatures(above, days)
    _rain(below, days, years)
    for axes in (above, below):
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color("#999999")
        axes.tick_params(length=0, colors=INK, labelsize=9)
        axes.grid(axis="y", color="white", linewidth=0.9, alpha=0.9)
        axes.set_axisbelow(False)
    figure.suptitle(
        f"A year of weather in Seattle, {years[0]} to {years[-1]}",
        x=0.012,
        ha="left",
        fontsize=16,
        fontweight="bold",
        color=INK,
    )
    name, latitude, longitude = station
    figure.supxlabel(
        f"{len(days)} days at {name}, {latitude:.2f}° N, {-longitude:.2f}° W. "
        "Data: NOAA, as in vega_datasets",
        x=0.012,
        ha="left",
        fontsize=8,
        color="#777777",
    )
    figure.savefig(path)


def _temperatures(axes, days) -> None:
    lows, highs = defaultdict(list), defaultdict(list)
    for day, low, high, _ in days:
        lows[_day_of_year(day)].append(low)
        highs[_day_of_year(day)].append(high)
    x = sorted(lows)
    typical_low = _smooth([mean(lows[day]) for day in x])
    typical_high = _smooth([mean(highs[day]) for day in x])
    axes.fill_between(
        x,
        [min(lows[d]) for d in x],
        [max(highs[d]) for d in x],
        step="mid",
        color=RANGE,
        linewidth=0,
    )
    axes.fill_between(x, typical_low, typical_high, color=TYPICAL, linewidth=0)
    axes.set_title(
        "Temperature in °C: the lowest and the highest of each day of the year, "
        "and from a usual night to a usual noon",
        loc="left",
        fontsize=10,
        color=INK,
    )
    midsummer = x.index(200)
    axes.text(
        200, typical_low[midsummer] + 2, "usual", color=INK, ha="center", va="bottom", fontsize=9
    )
    hottest = max(days, key=lambda day: day[2])
    coldest = min(days, key=lambda day: day[1])
    _mark(axes, hottest[0], hottest[2], (8, 4), "left")
    _mark(axes, coldest[0], coldest[1], (-8, -4), "right")
    starts = [date(LEAP_YEAR, month, 1).timetuple().tm_yday for month in range(1, 13)]
    axes.set_xticks([start + 14 for start in starts], MONTHS)
    axes.set_xlim(1, 366)


def _mark(axes, day: str, value: float, offset: tuple[int, int], side: str) -> None:
    """Draw a point with its value and date beside it."""
    point = (_day_of_year(day), value)
    axes.plot(*point, "o", color=HOT, markersize=5, zorder=4)
    axes.annotate(
        f"{value:.1f} °C, {date.fromisoformat(day):%d %b %Y}".replace(", 0", ", "),
        point,
        offset,
        textcoords="offset points",
        ha=side,
        va="center",
        fontsize=9,
        color=HOT,
    )


def _rain(axes, days, years) -> None:
    sums = defaultdict(float)
    for day, _, _, rain in days:
        sums[int(day[5:7]), day[:4]] += rain
    months = range(1, 13)
    axes.bar(
        months,
        [mean(sums[month, year] for year in years) for month in months],
        width=0.72,
        color=RAIN,
    )
    points = [(month, sums[month, year]) for month in months for year in years]
    axes.plot(*zip(*points, strict=True), "o", color=INK, markersize=3.5, zorder=4)
    axes.set_title(
        "Rain and snow in mm: the mean of each month, and a dot for each year",
        loc="left",
        fontsize=10,
        color=INK,
    )
    axes.set_xticks(months, MONTHS)
    axes.set_xlim(0.5, 12.5)
    axes.set_ylim(bottom=0)


def _day_of_year(day: str) -> int:
    """1 to 366, the same number for the same date of every year."""
    return date.fromisoformat(f"{LEAP_YEAR}{day[4:]}").timetuple().tm_yday


def _smooth(values: Sequence[float], days: int = 15) -> list[float]:
    """The mean of the days around each day. January follows December."""
    half = days // 2
    around = [*values[-half:], *values, *values[:half]]
    return [mean(around[i : i + days]) for i in range(len(values))]
