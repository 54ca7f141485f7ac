from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from sprout.errors import InputError, NoInputError
from sprout.files.reading import read_lines
from sprout.grid.electricitymaps_csv import read
from sprout.grid.intensity import IntensityTrace
from sprout.grid.table import Table

FETCHED_AT = datetime(2026, 11, 23, 15, tzinfo=UTC)
OLD = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),"
    "Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage,Renewable Percentage,"
    "Data Source,Data Estimated,Data Estimation Method\n"
)
NEW = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),"
    "Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method\n"
)
MONTHLY = OLD.replace(",Data Estimated,Data Estimation Method", "")


def row(
    start: str,
    lca: str = "300",
    direct: str = "250",
    zone: str = "GB",
    estimated: str = "false",
    data_source: str = "elexon.co.uk",
) -> str:
    return f"{start},Country,Name,{zone},{direct},{lca},50,40,{data_source},{estimated},\n"


def monthly_row(start: str, lca: str = "300", data_source: str = "entsoe.eu") -> str:
    return f"{start},Germany,Germany,DE,250,{lca},50,40,{data_source}\n"


def import_lines(
    lines: Iterable[str],
    factor_type: Literal["lifecycle", "direct"] = "lifecycle",
    name: str = "GB_2023_hourly.csv",
) -> Table:
    (table,) = read(lines, (factor_type,), FETCHED_AT, name)
    return table


def starts(download: Table) -> list[datetime]:
    return [each.start for each in download.intensities]


# The hours of GB around the switch to summer time, 2023-03-26 01:00 UTC, of the paper's data.
MARCH = [
    ("2023-03-26 00:00:00", "110.07", "167.99"),
    ("2023-03-26 01:00:00", "105.61", "164.2"),
    ("2023-03-26 02:00:00", "112.51", "172.77"),
    ("2023-03-26 03:00:00", "107.53", "166.28"),
]


@pytest.mark.parametrize("header", [OLD, NEW, OLD.upper().replace("₂", "2")])
@pytest.mark.parametrize(
    ("factor_type", "expected"),
    [
        ("lifecycle", [167.99, 164.2, 172.77, 166.28]),
        ("direct", [110.07, 105.61, 112.51, 107.53]),
    ],
)
def test_both_generations_of_headers_are_read(
    header: str, factor_type: Literal["lifecycle", "direct"], expected: list[float]
) -> None:
    lines = [header, *(row(start, lca, direct) for start, direct, lca in MARCH)]

    download = import_lines(lines, factor_type)

    assert [each.g_per_kwh for each in download.intensities] == expected
    assert {each.factor_type for each in download.intensities} == {factor_type}
    assert (download.granularity, download.num_empty, download.num_repeated) == ("hourly", 0, 0)


def test_a_record_carries_all_that_the_file_says() -> None:
    (intensity,) = import_lines([NEW, row("2023-03-26 00:00:00", zone="GB")]).intensities

    assert (intensity.source, intensity.zone, intensity.kind) == (
        "electricitymaps_csv",
        "GB",
        "average",
    )
    assert intensity.start == datetime(2023, 3, 26, tzinfo=UTC)
    assert intensity.duration_s == 3600
    assert not intensity.is_forecast
    assert not intensity.is_estimated
    assert (intensity.generated_at, intensity.fetched_at) == (None, FETCHED_AT)


def test_summer_time_leaves_no_gap_because_times_are_utc() -> None:
    trace = IntensityTrace(import_lines([NEW, *(row(start) for start, _, _ in MARCH)]).intensities)

    midnight = datetime(2023, 3, 26, tzinfo=UTC)
    found = [trace.at(midnight + timedelta(minutes=minute)).start.hour for minute in (59, 60, 239)]
    assert found == [0, 1, 3]
    assert trace.intensities[-1].end - trace.intensities[0].start == timedelta(hours=4)


def test_a_file_on_disk_is_read_as_it_is_downloaded(tmp_path: Path) -> None:
    path = tmp_path / "GB.csv"
    text = NEW + "".join(row(start, lca, direct) for start, direct, lca in MARCH)
    path.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))

    assert len(import_lines(read_lines(path)).intensities) == 4


def test_quoted_cells_and_extra_columns_do_not_shift_the_others() -> None:
    header = NEW.replace("Data source", "Citation,Data source")
    cells = '"Electricity Maps (2025). South Korea, hourly.",new.kpx.or.kr,false,\n'

    (intensity,) = import_lines(
        [header, "2024-01-01 00:00:00,South Korea,South Korea,KR,360.97,422.73,36,3," + cells]
    ).intensities

    assert (intensity.zone, intensity.g_per_kwh) == ("KR", 422.73)
    assert not intensity.is_estimated


def test_a_missing_hour_stays_a_gap() -> None:
    download = import_lines(
        [NEW, row("2023-01-01 00:00:00"), row("2023-01-01 01:00:00"), row("2023-01-01 03:00:00")]
    )

    assert {each.duration_s for each in download.intensities} == {3600}
    with pytest.raises(LookupError, match="gap"):
        IntensityTrace(download.intensities).at(datetime(2023, 1, 1, 2, 30, tzinfo=UTC))


def test_every_second_hour_is_hourly_with_gaps() -> None:
    download = import_lines([NEW, *(row(f"2023-01-01 0{hour}:00:00") for hour in (0, 2, 4))])

    assert download.granularity == "hourly"
    assert {each.duration_s for each in download.intensities} == {3600}


def test_an_empty_intensity_is_skipped_counted_and_left_as_a_gap() -> None:
    lines = [
        NEW,
        row("2023-01-01 00:00:00"),
        row("2023-01-01 01:00:00", lca=""),
        row("2023-01-01 02:00:00"),
    ]

    download = import_lines(lines)

    assert download.num_empty == 1
    assert [start.hour for start in starts(download)] == [0, 2]
    assert {each.duration_s for each in download.intensities} == {3600}
    assert import_lines(lines, "direct").num_empty == 0


def test_the_last_of_repeated_hours_wins_and_the_others_are_counted() -> None:
    download = import_lines(
        [
            NEW,
            row("2023-01-01 00:00:00", "100"),
            row("2023-01-01 01:00:00", "200"),
            row("2023-01-01 00:00:00", "150"),
            row("2023-01-01 00:00:00", ""),
        ]
    )

    assert [each.g_per_kwh for each in download.intensities] == [150.0, 200.0]
    assert (download.num_repeated, download.num_empty) == (1, 1)


def test_rows_come_sorted_by_zone_and_time() -> None:
    download = import_lines(
        [
            NEW,
            row("2023-01-01 01:00:00", zone="NL"),
            row("2023-01-01 01:00:00", zone="GB"),
            row("2023-01-01 00:00:00", zone="NL"),
            row("2023-01-01 00:00:00", zone="GB"),
        ]
    )

    assert [(each.zone, each.start.hour) for each in download.intensities] == [
        ("GB", 0),
        ("GB", 1),
        ("NL", 0),
        ("NL", 1),
    ]


@pytest.mark.parametrize(
    ("first", "second", "granularity", "duration_s"),
    [
        ("2023-01-01 00:00:00", "2023-01-01 00:05:00", "5_minutes", 300),
        ("2023-01-01 00:00:00", "2023-01-01 00:15:00", "15_minutes", 900),
        ("2023-01-01 00:00:00", "2023-01-01 01:00:00", "hourly", 3600),
        ("2023-01-01 00:00:00", "2023-01-02 00:00:00", "daily", 86_400),
        ("2023-01-01 12:00:00", "2023-01-02 12:00:00", "hourly", 3600),
        ("2023-02-01 00:00:00", "2023-03-01 00:00:00", "monthly", 28 * 86_400),
        ("2023-01-02 00:00:00", "2023-02-02 00:00:00", "daily", 86_400),
        ("2024-01-01 00:00:00", "2025-01-01 00:00:00", "yearly", 366 * 86_400),
    ],
)
def test_the_spacing_of_rows_tells_the_granularity(
    first: str, second: str, granularity: str, duration_s: int
) -> None:
    download = import_lines([NEW, row(first), row(second)])

    assert download.granularity == granularity
    assert download.intensities[0].duration_s == duration_s


def test_the_months_of_a_real_monthly_file_follow_each_other_without_gaps() -> None:
    # DE_2023_monthly.csv: twelve rows, the header without the two columns on estimation.
    lines = [MONTHLY, *(monthly_row(f"2023-{month:02}-01 00:00:00") for month in range(1, 13))]

    download = import_lines(lines, name="DE_2023_monthly.csv")
    ends = [each.end for each in download.intensities]

    assert download.granularity == "monthly"
    assert starts(download)[1:] == ends[:-1]
    assert ends[-1] == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("DE_2024_yearly.csv", datetime(2025, 1, 1, tzinfo=UTC)),
        ("DE_2024_MONTHLY.csv", datetime(2024, 2, 1, tzinfo=UTC)),
        ("DE_2024_daily.csv", datetime(2024, 1, 2, tzinfo=UTC)),
        ("DE.csv", datetime(2024, 1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_single_row_lasts_as_long_as_the_file_name_says_else_an_hour(
    name: str, end: datetime
) -> None:
    download = import_lines([MONTHLY, monthly_row("2024-01-01 00:00:00")], name=name)

    assert download.intensities[0].end == end


def test_a_single_row_that_starts_no_year_is_not_taken_for_one() -> None:
    download = import_lines([MONTHLY, monthly_row("2024-02-29 07:00:00")], name="yearly.csv")

    assert (download.granularity, download.intensities[0].duration_s) == ("hourly", 3600)


@pytest.mark.parametrize(
    ("mark", "data_source", "is_estimated"),
    [
        ("true", "svk.se", True),
        ("True", "svk.se", True),
        ("false", "svk.se", False),
        ("False", "Electricity Maps Estimation", False),
        ("", "svk.se", False),
        ("", "Electricity Maps Estimation; entsoe.eu", True),
        ("", "", True),
    ],
)
def test_estimated_rows_are_marked(mark: str, data_source: str, *, is_estimated: bool) -> None:
    lines = [NEW, row("2021-01-01 00:00:00", estimated=mark, data_source=data_source)]

    assert import_lines(lines).intensities[0].is_estimated is is_estimated


def test_a_monthly_row_is_estimated_when_its_sources_say_so() -> None:
    # July 2023 of DE_2023_monthly.csv has that source; June has entsoe.eu alone.
    download = import_lines(
        [
            MONTHLY,
            monthly_row("2023-06-01 00:00:00", "376.27"),
            monthly_row("2023-07-01 00:00:00", "322.18", "Electricity Maps Estimation; entsoe.eu"),
        ]
    )

    assert [each.is_estimated for each in download.intensities] == [False, True]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("2023-01-01 01:00:00", lca="-5"), "-5 g/kWh is not between 0 and 3000"),
        (row("2023-01-01 01:00:00", lca="3000.1"), "3000.1 g/kWh is not between 0 and 3000"),
        (row("2023-01-01 01:00:00", lca="nan"), "nan g/kWh is not between"),
        (row("2023-01-01 01:00:00", lca="n/a"), "carbon intensity 'n/a' is no number"),
        (row("01.01.2023 01:00"), "'01.01.2023 01:00' is no time such as"),
        (row("2023-01-01 01:00:00", zone=" "), "empty zone id"),
        (row("2023-01-01 01:00:00", estimated="maybe"), "is 'maybe', not true or false"),
        ("2023-01-01 01:00:00,Country,Na\n", "3 cells under 11 headers"),
        ("2023-01-01 01:00:00\rCountry\n", "not CSV (new-line character"),
        (NEW, "'Datetime (UTC)' is no time"),
    ],
)
def test_a_bad_row_is_named_with_its_file_and_line(bad: str, reason: str) -> None:
    with pytest.raises(InputError) as failure:
        import_lines([NEW, row("2023-01-01 00:00:00"), "\n", bad], name="GB.csv")

    assert str(failure.value).startswith("GB.csv:4: ")
    assert reason in str(failure.value)
    assert "; " in str(failure.value)


def test_the_limits_themselves_are_allowed() -> None:
    lines = [NEW, row("2023-01-01 00:00:00", "0"), row("2023-01-01 01:00:00", "3000")]

    assert [each.g_per_kwh for each in import_lines(lines).intensities] == [0.0, 3000.0]


def test_a_foreign_header_is_refused_with_the_headers_found() -> None:
    with pytest.raises(InputError) as failure:
        import_lines(["region,datetime_utc,lca_g_per_kwh\n", "GB,2023-01-01,1\n"], name="x.csv")

    assert str(failure.value) == (
        "x.csv: no column 'datetime (utc)', 'zone id', "
        "'carbon intensity gco2eq/kwh (life cycle)' among the headers found: "
        "'region', 'datetime_utc', 'lca_g_per_kwh'; "
        "give a CSV file as downloaded from Electricity Maps, or name --time-column and "
        "--value-column"
    )


def test_rows_closer_than_5_minutes_are_refused() -> None:
    with pytest.raises(InputError, match="60 s apart"):
        import_lines([NEW, row("2023-01-01 00:00:00"), row("2023-01-01 00:01:00")])


@pytest.mark.parametrize("lines", [[NEW], [NEW, "\n"]])
def test_a_file_without_rows_is_no_input(lines: list[str]) -> None:
    with pytest.raises(NoInputError, match=r"GB_2023_hourly\.csv: no rows"):
        import_lines(lines)


def test_an_empty_file_is_refused_for_its_header() -> None:
    with pytest.raises(InputError, match="among the headers found: none"):
        import_lines([])
