"""Tables that come with the app, so that a newcomer sees it work without a file of their own."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field


class Sample(BaseModel):
    """A shipped table and where it comes from."""

    name: str = Field(description="The name that calls use.", examples=["adult"])
    title: str = Field(description="The name that people use.", examples=["Adult income"])
    about: str = Field(
        description="What it holds, in one line.", examples=["Who earns more than 50,000 dollars, from a census"]
    )
    rows: int = Field(description="Number of rows.", examples=[32561])
    columns: int = Field(description="Number of columns.", examples=[15])
    source: str = Field(
        description="Who made it, and where it was published.",
        examples=["Becker and Kohavi 1996, UCI Machine Learning Repository"],
    )
    licence: str = Field(description="What its owner allows.", examples=["CC BY 4.0"])
    target: str | None = Field(None, description="The column one would predict.", examples=["income"])

    @property
    def path(self) -> Path:
        return Path(__file__).parent / f"{self.name}.csv.gz"


UCI = "UCI Machine Learning Repository, archive.ics.uci.edu/dataset/"

SAMPLES = [
    Sample(
        name="adult",
        title="Adult census income",
        about="32,561 people of the 1994 US census: who earns more than 50,000 dollars a year?",
        rows=32_561,
        columns=15,
        source=f"Becker and Kohavi (1996), {UCI}2",
        licence="CC BY 4.0",
        target="income",
    ),
    Sample(
        name="penguins",
        title="Palmer penguins",
        about="344 penguins of three species, measured in Antarctica; small, with missing values.",
        rows=344,
        columns=7,
        source="Horst, Hill and Gorman (2020), palmerpenguins",
        licence="CC0",
        target="species",
    ),
    Sample(
        name="california_housing",
        title="California housing",
        about="20,640 districts of the 1990 census with place, rooms, income and median house value.",
        rows=20_640,
        columns=10,
        source="Pace and Barry (1997), from the US Census Bureau, published by StatLib",
        licence="public domain",
        target="median_house_value",
    ),
    Sample(
        name="german_credit",
        title="German credit",
        about="1,000 loan applicants and whether they paid back; many categories.",
        rows=1_000,
        columns=21,
        source=f"Hofmann (1994), {UCI}144",
        licence="CC BY 4.0",
        target="default",
    ),
    Sample(
        name="bank_marketing",
        title="Bank marketing",
        about="4,119 telephone calls of a Portuguese bank: who takes the deposit? Semicolons, as published.",
        rows=4_119,
        columns=21,
        source=f"Moro, Rita and Cortez (2014), {UCI}222",
        licence="CC BY 4.0",
        target="y",
    ),
    Sample(
        name="wine_quality",
        title="Wine quality",
        about="6,497 red and white wines with eleven measurements and a grade; all numbers but one.",
        rows=6_497,
        columns=13,
        source=f"Cortez et al. (2009), {UCI}186",
        licence="CC BY 4.0",
        target="quality",
    ),
    Sample(
        name="diamonds",
        title="Diamonds",
        about="53,940 diamonds with price, weight, cut and size; numbers beside ordered grades.",
        rows=53_940,
        columns=10,
        source="Wickham (2016), ggplot2",
        licence="MIT",
        target="price",
    ),
]
"""The shipped samples; the first is the one the Home page tries."""
