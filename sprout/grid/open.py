"""Opens the provider that is asked for, importing no other."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, get_args

from sprout.config.keys import Keys
from sprout.errors import NotReadyError, UsageError
from sprout.grid.intensity import FactorType, Kind, Series
from sprout.grid.provider import About, Provider

if TYPE_CHECKING:
    from sprout.grid.http import Client
    from sprout.grid.patience import Limits

ProviderName = Literal[
    "neso",
    "energy_charts",
    "electricity_maps",
    "watttime",
    "eia",
    "entsoe",
    "open_electricity",
    "carbon_aware_sdk",
]
NAMES: Final[tuple[ProviderName, ...]] = get_args(ProviderName)


def about(name: str) -> About:
    """Return what is known of a provider; makes no request and imports nothing that could.

    Raises:
        UsageError: there is no such provider.
    """
    match name:
        case "neso":
            from sprout.grid.neso import ABOUT
        case "energy_charts":
            from sprout.grid.energy_charts import ABOUT
        case "electricity_maps":
            from sprout.grid.electricity_maps import ABOUT
        case "watttime":
            from sprout.grid.watttime import ABOUT
        case "eia":
            from sprout.grid.eia import ABOUT
        case "entsoe":
            from sprout.grid.entsoe import ABOUT
        case "open_electricity":
            from sprout.grid.open_electricity import ABOUT
        case "carbon_aware_sdk":
            from sprout.grid.carbon_aware_sdk import ABOUT
        case _:
            raise UsageError(f"no provider {name!r}: choose one of {', '.join(NAMES)}")
    return ABOUT


def check_zone(name: str, zone: str) -> None:
    """Refuse a zone that a provider cannot know; four of them tell without being asked.

    Raises:
        UsageError: there is no such provider.
        InputError: it knows no such zone.
    """
    match name:
        case "neso":
            from sprout.grid import neso

            neso.place_of(zone)
        case "energy_charts":
            from sprout.grid import energy_charts

            energy_charts.country_of(zone)
        case "entsoe":
            from sprout.grid import entsoe

            entsoe.area_of(zone)
        case "open_electricity":
            from sprout.grid import open_electricity

            open_electricity.region_of(zone)
        case _:
            about(name)


def series_of(
    zone: str, provider: str | None, kind: Kind | None, factor_type: FactorType | None
) -> Series:
    """Return what is asked for: as set, else as the provider has it, else average and lifecycle.

    Raises:
        NotReadyError: the provider has something else; the message says what to fetch.
    """
    if provider is None:
        return Series(zone, kind or "average", factor_type or "lifecycle")
    offer = about(provider)
    if offer.kind is None and kind is None:
        raise NotReadyError(
            f"{offer.title} does not say whether its intensities are average or marginal: set "
            "`kind` in sprout.toml (SPROUT_KIND) to what its own data source has"
        )
    if offer.kind is not None and kind not in {None, offer.kind}:
        raise NotReadyError(
            f"{offer.title} has {offer.kind} intensities, and `kind` is {kind}: the two are never "
            "mixed; leave `kind` out, or fetch from another provider (`sprout grid sources`)"
        )
    if factor_type is not None and factor_type not in offer.factors:
        raise NotReadyError(
            f"{offer.title} has {' and '.join(offer.factors)} emission factors, and `factor` is "
            f"{factor_type}: the two are never mixed; leave `factor` out, or fetch from another "
            "provider (`sprout grid sources`)"
        )
    return Series(zone, offer.kind or kind or "average", factor_type or offer.factors[0])


@contextmanager
def open_provider(
    name: str, wanted: Series, base_url: str, keys: Keys, limits: "Limits"
) -> Iterator[Provider]:
    """Open one zone of a provider; nothing is sent before it is asked.

    Raises:
        UsageError: no such provider.
        PermissionDeniedError: a key that it needs is not set.
        InputError: it cannot know such a zone.
    """
    zone = wanted.zone
    with _client(name, base_url, keys, limits) as client:
        match name:
            case "neso":
                from sprout.grid.neso import Neso

                yield Neso(client, zone)
            case "energy_charts":
                from sprout.grid.energy_charts import EnergyCharts

                yield EnergyCharts(client, zone)
            case "electricity_maps":
                from sprout.grid.electricity_maps import ElectricityMaps

                yield ElectricityMaps(client, zone, wanted.factor_type, keys)
            case "watttime":
                from sprout.grid.watttime import WattTime

                yield WattTime(client, zone, keys)
            case "entsoe":
                from sprout.grid.entsoe import Entsoe

                yield Entsoe(client, zone, keys)
            case "open_electricity":
                from sprout.grid.open_electricity import OpenElectricity

                yield OpenElectricity(client, zone, keys)
            case "carbon_aware_sdk":
                from sprout.grid.carbon_aware_sdk import CarbonAwareSdk

                yield CarbonAwareSdk(client, zone, wanted.kind)
            case _:
                from sprout.grid.eia import Eia

                yield Eia(client, zone, keys)


def zones(  # noqa: PLR0911 - one a provider
    name: str, base_url: str, keys: Keys, limits: "Limits"
) -> tuple[tuple[str, str], ...]:
    """Return a provider's zones with their names; two of the providers are asked for them.

    Raises:
        UsageError, PermissionDeniedError, TryLaterError: as for `open_provider` and its requests.
    """
    match name:
        case "neso":
            from sprout.grid import neso

            return neso.zones()
        case "energy_charts":
            from sprout.grid import energy_charts

            return energy_charts.zones()
        case "electricity_maps":
            from sprout.grid import electricity_maps

            with _client(name, base_url, keys, limits) as client:
                return electricity_maps.zones(client, keys)
        case "watttime":
            from sprout.grid.watttime import WattTime

            with _client(name, base_url, keys, limits) as client:
                return WattTime(client, "", keys).regions()
        case "entsoe":
            from sprout.grid import entsoe

            return entsoe.zones()
        case "open_electricity":
            from sprout.grid import open_electricity

            return open_electricity.zones()
        case "carbon_aware_sdk":
            raise NotReadyError("the zones of a Carbon Aware SDK are those of its own data source")
        case _:
            from sprout.grid import eia

            return eia.zones()


def _client(name: str, base_url: str, keys: Keys, limits: "Limits") -> "Client":
    from sprout.grid.http import Client

    return Client(about(name).title, base_url, limits, keys.values())
