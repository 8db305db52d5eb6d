"""A field of forms that several pages have."""

from __future__ import annotations

from wtforms import SelectMultipleField
from wtforms.widgets import CheckboxInput, ListWidget


class CheckboxesField(SelectMultipleField):
    """Any of several choices."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()
