# SPDX-License-Identifier: Apache-2.0
"""Dash with a callback."""

from dash import Dash, Input, Output, dcc, html

dashboard = Dash("dash_site")
dashboard.layout = html.Div([dcc.Input(id="side", value=3, type="number"), html.P(id="area")])


@dashboard.callback(Output("area", "children"), Input("side", "value"))
def area(side):
    return f"area {side * side}"


application = dashboard.server
