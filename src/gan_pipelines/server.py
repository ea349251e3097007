"""Serves a registered model on this machine: MLflow's scoring server, and a page to play with.

    python -P src/gan_pipelines/server.py --model models:/gan_pipelines.base@champion --port 5001

It imports nothing of this package and is started by its path, so that a model runs the copy of the package that was
registered with it, and not this one.
"""

import argparse
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TextIO

import mlflow.pyfunc
import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse
from mlflow.pyfunc import scoring_server

HOST = "127.0.0.1"
PAGE = Path(__file__).with_name("server.html")
MOST_BYTES = 2**20
"""Of one request; a thousand rows with all codes of an InfoGAN take a tenth."""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page is a single file, and speaks with this server alone."""


def create_app(model: mlflow.pyfunc.PyFuncModel) -> FastAPI:
    """MLflow's server of a model, with a page, for clients that name this machine.

    Args:
        model: as MLflow loads it.
    """
    scoring_server.predictions_to_json = write_predictions
    app: FastAPI = scoring_server.init(model)

    @app.middleware("http")
    async def refuse_large(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.method == "POST" and not 0 <= int(request.headers.get("content-length", -1)) <= MOST_BYTES:
            said = f"A request must say its length, which is at most {MOST_BYTES} bytes.\n"
            return Response(said, 413, media_type="text/plain")
        return await call_next(request)

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text(), headers={"Content-Security-Policy": POLICY})

    @app.get("/choices")
    async def choices() -> dict[str, Any]:
        sampler = model.get_raw_model()
        codes = {name: code.model_dump(mode="json") for name, code in sampler.codes.items()}
        return {"classes": sampler.classes, "codes": codes}

    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)
    return app


def write_predictions(predictions: np.ndarray | list[str], output: TextIO) -> None:
    """In place of MLflow's function, whose `json.dump` never takes CPython's encoder in C, as `json.dumps` does."""
    found = predictions.tolist() if isinstance(predictions, np.ndarray) else predictions
    output.write(json.dumps({"predictions": found}, separators=(",", ":")))


def main() -> None:
    """Load a model and serve it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="address of a model in MLflow, or its folder")
    parser.add_argument("--port", type=int, required=True, help=f"on {HOST}")
    options = parser.parse_args()
    uvicorn.run(create_app(mlflow.pyfunc.load_model(options.model)), host=HOST, port=options.port, access_log=False)


if __name__ == "__main__":
    main()
