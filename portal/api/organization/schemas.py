"""What the API answers about the organization: its counts, and what its scores mean."""

from __future__ import annotations

from pydantic import BaseModel, Field

from portal.api.schemas import FaceModel, Moment
from portal.calibration.bands import Bands
from portal.calibration.curves import ErrorRates
from portal.calibration.curves import Interval as IntervalOfRate


class PhotoCounts(BaseModel):
    """How many photos are in each state."""

    queued: int
    running: int
    done: int
    failed: int


class Statistics(BaseModel):
    """The organization in figures."""

    people: int
    photos: PhotoCounts
    pairs_to_decide: int = Field(description="open pairs that need a decision")
    workers: int = Field(description="workers of the installation that were heard from lately")
    face_model: FaceModel | None = Field(description="null until the first worker has started")


class Interval(BaseModel):
    """An estimate and the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, interval: IntervalOfRate) -> Interval:
        """The interval of a calibration."""
        return cls.model_validate(interval, from_attributes=True)


class Rates(BaseModel):
    """What a threshold costs, by the calibration on the organization's own people."""

    fpir: Interval = Field(
        description="of searches for people who are not enrolled, the share (0 to 1) with a match"
    )
    fnir: Interval | None = Field(
        description="of searches for people who are enrolled, the share (0 to 1) whose score with them is "
        "below the threshold; null where hardly anybody has two photos"
    )
    false_pairs: Interval = Field(description="pairs of different people that reach it, among all")
    at_least: bool = Field(description="whether there are at least this many false pairs, and maybe more")

    @classmethod
    def of(cls, rates: ErrorRates | None) -> Rates | None:
        """The rates of a calibration; None without one."""
        if rates is None:
            return None
        return cls(
            fpir=Interval.of(rates.fpir),
            fnir=Interval.of(rates.fnir) if rates.fnir else None,
            false_pairs=Interval.of(rates.false_pairs),
            at_least=rates.more_false_pairs,
        )


class Threshold(BaseModel):
    """From which score on two faces count as one person."""

    value: float = Field(description="a cosine, -1 to 1")
    chosen: bool = Field(description="whether an admin chose it; else it is the face model's own")
    possible_from: float | None = Field(description="where the band possible begins; null: not calibrated")
    strong_from: float | None = Field(description="where the band strong begins; null: too little data")
    rates: Rates | None = Field(description="null without a calibration")

    @classmethod
    def of(cls, value: float, chosen: bool, bands: Bands, rates: ErrorRates | None) -> Threshold:
        """A threshold with what the calibration says of it."""
        return cls(
            value=value,
            chosen=chosen,
            possible_from=bands.possible,
            strong_from=bands.strong,
            rates=Rates.of(rates),
        )


class Scores(BaseModel):
    """What similarity scores mean in this organization."""

    search: Threshold
    duplicates: Threshold
    calibrated_at: Moment | None = Field(description="null: not calibrated yet")
    people: int | None = Field(description="in the gallery at the time of the calibration")
    face_model: FaceModel
