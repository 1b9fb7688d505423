"""A service that is not this project's, with the telemetry library: `uvicorn shop:served`."""

import os

from fastapi import FastAPI
from reelback_telemetry import asgi, business, errors, operations, sdk

sdk.start("shop", release="shop@1.0.0", environment="demo", dsn=os.environ.get("SENTRY_DSN", ""), in_app=["shop"])
app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})


@app.post("/orders/{order}")
@operations.tag_business_operation("order")
@operations.monitor_performance("order", threshold_ms=200)
async def place(order: str, stock: int = 1) -> dict[str, str]:
    """Sell a part of what there is."""
    business.track_conversion_funnel("checkout", "ordered")
    business.log_business_event("order placed", order=order, stock=stock)
    try:
        return {"each": str(100 // stock)}
    except ZeroDivisionError as error:
        errors.capture_custom_exception(error, context={"stock": stock}, tags={"payment": "card"}, user="u1")
        raise


served = asgi.instrument(app)
