"""The quantities that models take from YAML, each with its unit."""

from __future__ import annotations

from typing import Annotated

from testbed import units
from testbed.yaml.load import Quantity

Duration = Annotated[int, Quantity(units.parse_duration, "a duration")]
Rate = Annotated[int, Quantity(units.parse_rate, "a rate")]
Size = Annotated[int, Quantity(units.parse_size, "a size")]
Share = Annotated[float, Quantity(units.parse_share, "a share")]
Price = Annotated[float, Quantity(units.parse_price, "a price")]
Frequency = Annotated[float, Quantity(units.parse_frequency, "a frequency")]
