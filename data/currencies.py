"""Currencies that offers are quoted in, and the exact way from them to US dollars and back."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal, localcontext

from data.errors import nearest
from data.tables import Row

CODES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
    BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
    GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR
    KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
    MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR
    SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS
    UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a list of 150 literals is no easier to read
)
"""Codes of ISO 4217 that something can be paid in; funds and metals are left out."""

LEAST_USD_PER_UNIT = 1e-6
"""The weakest currencies are worth some 1e-5 dollars."""

MOST_USD_PER_UNIT = 10.0
"""The strongest is worth some 3.3 dollars; a rate above is one of units for a dollar."""

NANO_USD = Decimal("1e-9")
"""Amounts are converted to this exactness, so that sums of them stay exact decimals."""

DIGITS = 100
"""Digits that amounts are multiplied in: more than a price and a rate can have together."""

MAX_DECIMALS = 30
"""Digits after the point of an amount; what is written with more is a typing error."""


@dataclass(frozen=True)
class Rate:
    """The currency of a quote, and what it is worth.

    Attributes
    ----------
    currency
        ISO 4217 code.
    usd_per_unit
        US dollars for one unit of it; None for US dollars.
    rate_date
        Day of that rate; None for US dollars.
    """

    currency: str
    usd_per_unit: Decimal | None = None
    rate_date: dt.date | None = None

    def to_usd(self, amount: Decimal) -> Decimal:
        """Return an amount in US dollars, to the billionth of one; dollars stay as they are."""
        if self.usd_per_unit is None:
            return amount
        with localcontext() as context:
            context.prec = DIGITS
            return plain((amount * self.usd_per_unit).quantize(NANO_USD))

    def from_usd(self, usd: Decimal) -> Decimal:
        """Return the shortest amount in the currency that `to_usd` turns into `usd`.

        That is the figure which was quoted, unless it had more digits than count.
        """
        if self.usd_per_unit is None:
            return usd
        with localcontext() as context:
            context.prec = DIGITS
            exact = usd / self.usd_per_unit
            for decimals in range(MAX_DECIMALS):
                amount = exact.quantize(Decimal(1).scaleb(-decimals))
                if self.to_usd(amount) == usd:
                    break
        return plain(amount)


def plain(amount: Decimal) -> Decimal:
    """Return an amount without trailing zeros and without an exponent."""
    with localcontext() as context:
        context.prec = DIGITS
        return Decimal(f"{amount.normalize():f}")


def decimal(row: Row, column: str) -> Decimal:
    """Return a cell that is known to be a finite number, exactly.

    Raises
    ------
    CatalogError
        If it has more than `MAX_DECIMALS` digits after the point.
    """
    value = Decimal(row.cells[column])
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        raise row.fault(column, f"has more than {MAX_DECIMALS} digits after the point.")
    return value


def read_code(row: Row) -> str:
    """Return the ISO 4217 code of a row; USD where the cell is empty.

    Raises
    ------
    CatalogError
        If nothing is paid in such a currency.
    """
    code = row.cells.get("currency", "").upper() or "USD"
    if code not in CODES:
        near = nearest(code, CODES)
        meant = f"did you mean {near}?" if near else "write it as EUR, JPY or INR."
        raise row.fault("currency", f"{code!r} is not an ISO 4217 code; {meant}")
    return code


def read_rate(row: Row) -> Rate:
    """Return the currency of a row, and its rate where it is not the US dollar.

    Raises
    ------
    CatalogError
        If the currency is unknown, or its rate or the day of the rate is missing or cannot be.
    """
    code, cell = read_code(row), row.cells.get("usd_per_unit", "")
    rate = row.optional_number("usd_per_unit")
    if code == "USD":
        if rate not in (None, 1.0):
            raise row.fault(
                "usd_per_unit",
                f"is {cell}, but the currency is USD; name the currency of that rate in currency, "
                "or leave the rate empty.",
            )
        return Rate(code)
    if rate is None:
        raise row.fault(
            "usd_per_unit",
            f"is empty, but the price is in {code}; give the US dollars for one {code}, and the "
            "day of that rate in rate_date.",
        )
    if not LEAST_USD_PER_UNIT <= rate <= MOST_USD_PER_UNIT:
        raise row.fault(
            "usd_per_unit",
            f"{cell} US dollars for one {code} cannot be; give USD per {code}, not {code} per USD.",
        )
    if not row.cells.get("rate_date"):
        raise row.fault(
            "rate_date", f"is empty; give the day of the {code} rate, written YYYY-MM-DD."
        )
    return Rate(code, plain(decimal(row, "usd_per_unit")), row.date("rate_date"))
