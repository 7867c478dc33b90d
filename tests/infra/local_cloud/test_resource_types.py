"""Every type in the platform's own templates is one that the local cloud makes."""

import pytest
from moto.cloudformation.exceptions import ValidationError

from infra.local_cloud.cloudformation import MADE_WELL_BY_MOTO, refuse_unknown_types
from infra.local_cloud.resources import TYPES
from tests.infra.synthesis import Synthesized


def test_every_type_of_the_platform_is_made(synthesized: Synthesized) -> None:
    templates = list(synthesized.templates.values())
    assert sum(len(template["Resources"]) for template in templates) > 100
    for template in templates:
        refuse_unknown_types(template)


def test_planted_type_is_refused(synthesized: Synthesized) -> None:
    (template, *_) = synthesized.templates.values()
    planted = {"Planted": {"Type": "AWS::Planted::Type"}}
    with pytest.raises(ValidationError, match="Planted"):
        refuse_unknown_types(template | {"Resources": template["Resources"] | planted})


def test_no_type_is_made_by_moto_and_by_us() -> None:
    assert not MADE_WELL_BY_MOTO & set(TYPES)
