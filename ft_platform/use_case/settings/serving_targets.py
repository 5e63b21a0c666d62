"""Where released models are deployed: one section for each kind of target."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ft_platform.use_case.settings.section import Section

Url = Annotated[str, Field(pattern=r"^https?://[^\s?#]+$", max_length=1000)]
Variable = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$", max_length=100)]


class Costs(Section):
    """What every target may say."""

    cost_per_hour: float | None = Field(
        default=None, ge=0.0, le=100_000.0, description="What one replica costs an hour, in `currency`. Empty: unknown."
    )
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$", description="An ISO 4217 code.")

    @property
    def serves_label_heads(self) -> bool:
        """Whether a model with a label head can answer there (`serving.exporting.matrix`)."""
        return False


class LocalTarget(Costs):
    """The platform's own server on this machine (`ft serve`)."""

    kind: Literal["local"] = Field(default="local", description="The platform's own server on this machine.")
    url: Url = Field(
        default="http://127.0.0.1:8000",
        description="Where it listens. If nothing answers there, `ft deploy` starts a server that is kept running.",
    )
    api_key_env: Variable | None = Field(
        default=None, description="Environment variable with a key of the server. Default: no key is sent."
    )

    @property
    def serves_label_heads(self) -> bool:
        return True


class OpenAIEndpointTarget(Costs):
    """A server with OpenAI's API that a platform team runs: the model is put there by them."""

    kind: Literal["openai_endpoint"] = Field(description="Any server with OpenAI's API; others put the model there.")
    url: Url = Field(description="Base address, without `/v1`.")
    model: str = Field(
        min_length=1,
        max_length=200,
        description="Name of the model there. `{release}` stands for the release's id, so that several can be there.",
    )
    api_key_env: Variable | None = Field(
        default=None, description="Environment variable with its key. Default: no key is sent."
    )


class VllmTarget(Costs):
    """A vLLM that runs already: a release is a LoRA adapter that is loaded into it."""

    kind: Literal["vllm"] = Field(description="A running vLLM that loads adapters (`--enable-lora`).")
    url: Url = Field(description="Its base address, without `/v1`.")
    api_key_env: Variable | None = Field(
        default=None, description="Environment variable with its key. Default: no key is sent."
    )
    folder: str = Field(
        min_length=1, max_length=1000, description="A folder shared with its machine, as this machine sees it."
    )
    folder_there: str | None = Field(
        default=None,
        pattern=r"^/",
        max_length=1000,
        description="The same folder as vLLM sees it. Default: as `folder`.",
    )
    chat_template: Literal["server", "request"] = Field(
        default="server",
        description="Who brings the chat template and the token that ends an answer. `server`: vLLM was started with"
        " `--chat-template`. `request`: each request brings both, and vLLM runs with `--trust-request-chat-template`.",
    )
    switch_by: Literal["reload", "in_place"] = Field(
        default="reload",
        description="How the name that clients ask for gets another adapter. `reload`: for an instant the name is not"
        " there (404). `in_place`: no request is refused, but vLLM reads the adapter again for every token, and answers"
        " under way go on with the new one.",
    )


class HfEndpointTarget(Costs):
    """Hugging Face Inference Endpoints, with merged weights in a private repository."""

    kind: Literal["hf_endpoint"] = Field(description="Inference Endpoints of Hugging Face.")
    namespace: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,95}$",
        description="User or organisation that owns endpoints and repositories.",
    )
    token_env: Variable = Field(
        default="HF_TOKEN", description="Environment variable with the token that makes and asks endpoints."
    )
    vendor: str = Field(default="aws", pattern=r"^[a-z]{2,20}$", description="The cloud it runs in.")
    region: str = Field(pattern=r"^[a-z0-9\-]{2,40}$", description="Its region, e.g. `eu-west-1`.")
    accelerator: Literal["cpu", "gpu", "neuron"] = Field(default="gpu", description="What computes.")
    instance_type: str = Field(pattern=r"^[A-Za-z0-9\-]{1,60}$", description="E.g. `nvidia-l4`.")
    instance_size: str = Field(pattern=r"^[A-Za-z0-9\-]{1,60}$", description="E.g. `x1`.")
    min_replicas: int = Field(default=1, ge=0, le=100, description="0: scaled to zero when nobody asks.")
    max_replicas: int = Field(default=1, ge=1, le=100, description="Most machines for one endpoint.")
    idle_minutes: int = Field(
        default=15,
        ge=15,
        le=10_080,
        description="Minutes without requests until it is scaled to zero (`min_replicas: 0`).",
    )
    image: str = Field(
        pattern=r"^[^\s]+[:@][^\s]+$", max_length=255, description="Image of vLLM, with its tag or digest."
    )
    arguments: list[str] = Field(
        default=[], max_length=50, description="Further arguments of vLLM. It is given model, name and context."
    )
    switch_minutes: float = Field(
        default=60.0, gt=0.0, le=1440.0, description="Minutes that a switch may take, with the start of new machines."
    )


class SageMakerTarget(Costs):
    """Amazon SageMaker endpoints, with merged weights in S3. Credentials and region come from boto3's usual places."""

    kind: Literal["sagemaker"] = Field(description="Real-time endpoints of Amazon SageMaker.")
    models_uri: str = Field(
        pattern=r"^s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9](/[^\s]*)?$",
        max_length=900,
        description="Where merged weights are put, e.g. `s3://bucket/models`.",
    )
    role_arn: str = Field(
        pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/[A-Za-z0-9_+=,.@/\-]+$",
        max_length=600,
        description="Role of the container: reads the weights, pulls the image, writes logs.",
    )
    image: str = Field(pattern=r"^[^\s]+[:@][^\s]+$", max_length=255, description="Image of vLLM for SageMaker in ECR.")
    environment: dict[str, str] = Field(
        default_factory=dict,
        max_length=50,
        description="Variables of the container, no secrets. Arguments of vLLM are `SM_VLLM_<NAME>`.",
    )
    instance_type: str = Field(pattern=r"^ml\.[a-z0-9.\-]{1,60}$", description="E.g. `ml.g6.xlarge`.")
    instances: int = Field(default=1, ge=1, le=100, description="Machines of the endpoint.")
    capture_uri: str | None = Field(
        default=None,
        pattern=r"^s3://[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9](/[^\s]*)?$",
        max_length=512,
        description="Where SageMaker writes every request and answer (data capture), with texts. Default: nowhere.",
    )
    canary_percent: int | None = Field(
        default=None,
        ge=1,
        le=50,
        description="Share of the machines that get traffic first. Default: all traffic changes at once.",
    )
    bake_seconds: int = Field(
        default=300,
        ge=0,
        le=3600,
        description="Seconds that alarms are watched before the old machines are taken away.",
    )
    alarms: list[str] = Field(
        default=[], max_length=10, description="CloudWatch alarms that take the traffic back to the old machines."
    )
    switch_minutes: float = Field(
        default=60.0, ge=10.0, le=480.0, description="Minutes that a switch may take, with the start of new machines."
    )


class KubernetesTarget(Costs):
    """Deployments in a Kubernetes cluster, one for each release, behind one Service. Credentials are `kubectl`'s."""

    kind: Literal["kubernetes"] = Field(description="A Kubernetes cluster.")
    kubectl: str = Field(default="kubectl", min_length=1, max_length=1000, description="The program.")
    context: str | None = Field(
        default=None, max_length=200, description="Context of the kubeconfig. Default: the current one."
    )
    namespace: str = Field(pattern=r"^[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?$", description="It must exist.")
    address: str = Field(
        default="http://{service}.{namespace}.svc:{port}",
        pattern=r"^https?://[^\s?#]+$",
        max_length=1000,
        description="How this machine reaches a Service; `{service}`, `{namespace}` and `{port}` stand for its own.",
    )
    image: str = Field(pattern=r"^[^\s]+[:@][^\s]+$", max_length=255, description="Image, with its tag or digest.")
    arguments: list[str] = Field(
        default=["--model", "{folder}", "--served-model-name", "{use_case}", "{model}", "--max-model-len", "{context}"],
        max_length=100,
        description="Arguments of the container. Default: those of vLLM. `{folder}`, `{use_case}`, `{model}`,"
        " `{release}`, `{context}` and `{port}` stand for those of the release.",
    )
    ours: bool = Field(
        default=False,
        description="It runs `ft serve` and reads the lake itself; `arguments` then needs `--release {release}`.",
    )
    port: int = Field(default=8000, ge=1024, le=65_535, description="Where the container listens.")
    folder: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Where this machine sees the volume with merged weights. Empty: no weights are handed over.",
    )
    claim: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]([a-z0-9.\-]{0,251}[a-z0-9])?$",
        description="PersistentVolumeClaim of the same volume; pods see a release at `/model`.",
    )
    secret: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]([a-z0-9.\-]{0,251}[a-z0-9])?$",
        description="Kubernetes Secret whose entries become variables of the container, e.g. `VLLM_API_KEY`.",
    )
    api_key_env: Variable | None = Field(
        default=None, description="Environment variable of this machine with the server's key. Default: no key is sent."
    )
    environment: dict[str, str] = Field(
        default_factory=dict, max_length=50, description="Variables of the container, no secrets."
    )
    min_replicas: int = Field(default=1, ge=1, le=1000, description="Fewest pods of a release.")
    max_replicas: int = Field(default=1, ge=1, le=1000, description="Most pods of a release.")
    cpu_percent: int = Field(
        default=80, ge=1, le=1000, description="Use of the requested CPU at which another pod is started."
    )
    cpu: str = Field(default="2", pattern=r"^\d+m?$", description="CPU that a pod asks for.")
    memory: str = Field(
        default="8Gi", pattern=r"^\d+(Mi|Gi)$", description="Memory of a pod: asked for, and the limit."
    )
    gpus: int = Field(default=0, ge=0, le=16, description="GPUs of a pod (`nvidia.com/gpu`).")
    user: int = Field(default=10_001, ge=1, le=2_000_000_000, description="User id of the container, never root.")
    start_minutes: float = Field(
        default=20.0, ge=1.0, le=240.0, description="Minutes that a container may take to answer `/health`."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.folder is None) != (self.claim is None):
            raise ValueError("folder and claim belong together: both name the volume with merged weights")
        if self.max_replicas < self.min_replicas:
            raise ValueError("max_replicas must be at least min_replicas")
        if self.ours and "{release}" not in " ".join(self.arguments):
            raise ValueError("ours needs `--release {release}` in arguments: else every pod serves the same release")
        return self

    @property
    def serves_label_heads(self) -> bool:
        return self.ours


ServingTarget = Annotated[
    LocalTarget | OpenAIEndpointTarget | VllmTarget | HfEndpointTarget | SageMakerTarget | KubernetesTarget,
    Field(discriminator="kind"),
]
