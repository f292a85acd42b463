// swift-tools-version: 6.1
// The rooms of the suite by layer, the lowest first. A room imports rooms of its own layer or of lower ones, and lists
// exactly what its files import: scripts/check-rooms.py proves both, and draws docs/images/rooms.svg from this file.
import PackageDescription

/// The layers, lowest first. A room's folder is Sources/LAYER/ROOM.
enum Layer: String {
  case c = "C"
  case numbers = "Numbers"
  case knowledge = "Knowledge"
  case files = "Files"
  case models = "Models"
  case methods = "Methods"
  case work = "Work"
  case commandLine = "CommandLine"
  case tools = "Tools"

  func path(_ room: String) -> String { "Sources/\(rawValue)/\(room)" }
}

let oneDNN: Target.Dependency = .target(name: "COneDNN", condition: .when(traits: ["OneDNN"]))
let mpi: Target.Dependency = .target(name: "CMPI", condition: .when(traits: ["MPI"]))
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

func library(_ name: String, of package: String, debian: String) -> Target {
  .systemLibrary(
    name: name, path: Layer.c.path(name), pkgConfig: package, providers: [.apt([debian])])
}

func room(_ name: String, in layer: Layer, imports: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: imports, path: layer.path(name), exclude: layer == .methods ? ["README.md"] : []
  )
}

func tool(_ name: String, imports: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: imports, path: Layer.tools.path(name))
}

func tests(of room: String, _ imports: [Target.Dependency] = []) -> Target {
  .testTarget(name: room + "Tests", dependencies: [.target(name: room)] + imports)
}

// MARK: C libraries and kernels

let c: [Target] = [
  library("COpenBLAS", of: "openblas", debian: "libopenblas-dev"),
  library("CZstd", of: "libzstd", debian: "libzstd-dev"),
  library("CArchive", of: "libarchive", debian: "libarchive-dev"),
  library("CCrypto", of: "libcrypto", debian: "libssl-dev"),
  .target(
    name: "COneDNN", path: Layer.c.path("COneDNN"),
    linkerSettings: [.linkedLibrary("dnnl", .when(traits: ["OneDNN"]))]),
  .target(
    name: "CMPI", path: Layer.c.path("CMPI"), cSettings: [.headerSearchPath("headers")],
    linkerSettings: [.linkedLibrary("mpi", .when(traits: ["MPI"]))]),
  .target(
    name: "CImageCodecs", path: Layer.c.path("CImageCodecs"),
    linkerSettings: [.linkedLibrary("png"), .linkedLibrary("jpeg")]),
  .target(name: "CKernels", path: Layer.c.path("CKernels"), cSettings: [.headerSearchPath(".")]),
]

// MARK: Rooms that know nothing of files or terminals

let numbers: [Target] = [
  room("TensorCore", in: .numbers, imports: ["CKernels", oneDNN, "COpenBLAS"]),
  room("Autograd", in: .numbers, imports: ["CKernels", "TensorCore"]),
  room("Communication", in: .numbers, imports: []),
  room("MessagePassing", in: .numbers, imports: [mpi, "Communication"]),
  room("NeuralNet", in: .numbers, imports: ["Autograd", "CKernels", "TensorCore"]),
]

let knowledge: [Target] = [
  room("Codebooks", in: .knowledge, imports: ["CKernels", "TensorCore"]),
  room("Images", in: .knowledge, imports: ["CImageCodecs", "TensorCore"]),
  room("Metrics", in: .knowledge, imports: ["COpenBLAS", "Images", "TensorCore"]),
]

// MARK: Rooms that read and write files

let files: [Target] = [
  room("StreamFormat", in: .files, imports: ["CCrypto", "CZstd"]),
  room("ForeignFiles", in: .files, imports: ["CArchive", "StreamFormat"]),
]

// MARK: Models, and what each paper adds to them

let models: [Target] = [
  room(
    "ImageModels", in: .models,
    imports: [
      "Autograd", "CKernels", "Codebooks", "NeuralNet", "StreamFormat", "TensorCore",
    ]),
  room(
    "FeatureNetworks", in: .models,
    imports: [
      "Autograd", "CKernels", "ImageModels", "Images", "StreamFormat", "TensorCore",
    ]),
]

let methods: [Target] = [
  room(
    "VQGAN", in: .methods,
    imports: ["Autograd", "FeatureNetworks", "ImageModels", "StreamFormat", "TensorCore"]),
  room(
    "VAR", in: .methods,
    imports: ["Autograd", "CKernels", "CTF", "ImageModels", "NeuralNet", "StreamFormat", "TensorCore"]),
  room(
    "LlamaGen", in: .methods,
    imports: [
      "FeatureNetworks", "ForeignFiles", "ImageModels", "NeuralNet", "StreamFormat", "TensorCore", "VAR",
      "VQGAN",
    ]),
  room("IAR", in: .methods, imports: ["Autograd", "CKernels", "ImageModels", "LlamaGen"]),
  room(
    "CTF", in: .methods,
    imports: [
      "Autograd", "CKernels", "Codebooks", "ImageModels", "NeuralNet", "StreamFormat", "TensorCore",
    ]),
  room(
    "STAR", in: .methods,
    imports: [
      "Autograd", "CKernels", "ImageModels", "LlamaGen", "NeuralNet", "StreamFormat", "TensorCore",
    ]),
]

// MARK: Work: data, scores and training

let work: [Target] = [
  room(
    "Datasets", in: .work, imports: ["Codebooks", "ForeignFiles", "Images", "StreamFormat", "TensorCore"]),
  room(
    "Evaluation", in: .work,
    imports: [
      "Autograd", "CKernels", "Codebooks", "Datasets", "FeatureNetworks", "ImageModels", "Images", "Metrics",
      "NeuralNet",
      "StreamFormat", "TensorCore", "VAR",
    ]),
  room(
    "Training", in: .work,
    imports: [
      "Autograd", "CTF", "Codebooks", "Communication", "Datasets", "Evaluation", "IAR", "ImageModels",
      "Metrics", "NeuralNet",
      "STAR", "StreamFormat", "TensorCore", "VAR", "VQGAN",
    ]),
]

// MARK: The command line

let commandLine: [Target] = [
  room(
    "ToolRuntime", in: .commandLine, imports: [argumentParser, "Communication", "StreamFormat", "TensorCore"]),
  room(
    "SuiteOptions", in: .commandLine,
    imports: [
      argumentParser, "Codebooks", "Datasets", "Evaluation", "ForeignFiles", "ImageModels", "Images",
      "LlamaGen", "NeuralNet", "StreamFormat", "TensorCore", "ToolRuntime", "Training", "VAR",
    ]),
]

let tools: [Target] = [
  tool(
    "train-tokenizer",
    imports: [
      argumentParser, "Autograd", "Communication", "Datasets", "FeatureNetworks", "ImageModels", "LlamaGen",
      "MessagePassing", "StreamFormat",
      "SuiteOptions", "TensorCore", "ToolRuntime", "Training", "VQGAN",
    ]),
  tool(
    "tokenize",
    imports: [
      argumentParser, "Codebooks", "Datasets", "ImageModels", "Images", "StreamFormat", "SuiteOptions",
      "TensorCore", "ToolRuntime",
    ]),
  tool(
    "detokenize",
    imports: [
      argumentParser, "Autograd", "Datasets", "ForeignFiles", "ImageModels", "Images", "StreamFormat",
      "SuiteOptions",
      "TensorCore", "ToolRuntime",
    ]),
  tool(
    "rearrange-codebook",
    imports: [
      argumentParser, "Codebooks", "ImageModels", "StreamFormat", "SuiteOptions", "TensorCore",
      "ToolRuntime",
    ]),
  tool(
    "cluster-codebook",
    imports: [
      argumentParser, "Codebooks", "ImageModels", "StreamFormat", "SuiteOptions", "TensorCore",
      "ToolRuntime",
    ]),
  tool("relabel-tokens", imports: [argumentParser, "StreamFormat", "SuiteOptions", "ToolRuntime"]),
  tool(
    "train-ar",
    imports: [
      argumentParser, "Communication", "Datasets", "ImageModels", "MessagePassing", "STAR", "StreamFormat",
      "SuiteOptions", "TensorCore",
      "ToolRuntime", "Training", "VAR",
    ]),
  tool(
    "train-fine",
    imports: [
      argumentParser, "CTF", "Communication", "Datasets", "ImageModels", "MessagePassing", "StreamFormat",
      "SuiteOptions", "TensorCore",
      "ToolRuntime", "Training",
    ]),
  tool(
    "sample",
    imports: [
      argumentParser, "CTF", "IAR", "ImageModels", "Images", "LlamaGen", "StreamFormat", "SuiteOptions",
      "TensorCore", "ToolRuntime", "VAR",
    ]),
  tool(
    "score-tokens",
    imports: [
      argumentParser, "CTF", "Codebooks", "Datasets", "Evaluation", "ImageModels", "Images", "StreamFormat",
      "SuiteOptions", "TensorCore", "ToolRuntime", "VAR",
    ]),
  tool("show-file", imports: [argumentParser, "StreamFormat", "ToolRuntime"]),
  tool(
    "eval-metrics",
    imports: [
      argumentParser, "Datasets", "Evaluation", "FeatureNetworks", "ForeignFiles", "ImageModels", "Images",
      "Metrics", "StreamFormat", "SuiteOptions", "TensorCore", "ToolRuntime",
    ]),
  tool(
    "import-weights",
    imports: [
      argumentParser, "FeatureNetworks", "ForeignFiles", "ImageModels", "LlamaGen", "StreamFormat",
      "SuiteOptions", "TensorCore", "ToolRuntime",
    ]),
  tool(
    "import-tokens",
    imports: [
      argumentParser, "ForeignFiles", "ImageModels", "Images", "StreamFormat", "SuiteOptions", "TensorCore",
      "ToolRuntime",
    ]),
  tool("export-tokens", imports: [argumentParser, "ForeignFiles", "StreamFormat", "ToolRuntime"]),
  tool("export-weights", imports: [argumentParser, "LlamaGen", "StreamFormat", "TensorCore", "ToolRuntime"]),
  tool(
    "perturb-tokens",
    imports: [
      argumentParser, "Autograd", "Codebooks", "Datasets", "ImageModels", "StreamFormat", "SuiteOptions",
      "TensorCore", "ToolRuntime",
    ]),
  tool(
    "linear-probe",
    imports: [
      argumentParser, "Datasets", "Evaluation", "ImageModels", "StreamFormat", "SuiteOptions", "TensorCore",
      "ToolRuntime",
    ]),
  tool(
    "attention-maps",
    imports: [
      argumentParser, "Datasets", "ImageModels", "Images", "StreamFormat", "SuiteOptions", "TensorCore",
      "ToolRuntime",
    ]),
  tool(
    "tessera-bench",
    imports: [
      argumentParser, "Autograd", "CKernels", "CTF", "Codebooks", "ImageModels", "LlamaGen", "NeuralNet",
      "SuiteOptions", "TensorCore", "ToolRuntime", "VAR", "VQGAN",
    ]),
]

// MARK: Tests

let testTargets: [Target] =
  [
    .target(
      name: "TestSupport",
      dependencies: [
        "Autograd", "ForeignFiles", "StreamFormat", "TensorCore",
      ], path: "Tests/TestSupport"),
    .target(name: "TestRanks", dependencies: ["Communication"], path: "Tests/TestRanks"),
    .target(
      name: "Fuzzing",
      dependencies: [
        "CTF", "CZstd", "Codebooks", "Datasets", "Evaluation", "ForeignFiles", "ImageModels", "Images",
        "Metrics",
        "NeuralNet", "StreamFormat", "SuiteOptions", "TensorCore", "ToolRuntime", "VAR",
      ], path: "Tests/Fuzzing"),
    .executableTarget(
      name: "tessera-fuzz", dependencies: [argumentParser, "Fuzzing"], path: "Tests/tessera-fuzz"),
    tests(of: "Fuzzing", ["StreamFormat"]),
    tests(of: "TensorCore", ["CKernels", "StreamFormat", "TestSupport"]),
    tests(of: "Autograd", ["IAR", "StreamFormat", "TensorCore", "TestSupport"]),
    tests(of: "Communication", ["MessagePassing", "TensorCore", "TestRanks"]),
    tests(of: "NeuralNet", ["Autograd", "TensorCore", "TestSupport"]),
    tests(of: "Codebooks", ["CKernels", "TensorCore"]),
    tests(of: "Images", ["TestSupport"]),
    tests(of: "Metrics", ["Images", "StreamFormat", "TensorCore", "TestSupport"]),
    tests(of: "StreamFormat", ["TestSupport"]),
    tests(of: "ForeignFiles", ["FeatureNetworks", "LlamaGen", "StreamFormat", "TestSupport"]),
    tests(
      of: "ImageModels",
      [
        "Autograd", "CKernels", "IAR", "LlamaGen", "NeuralNet", "StreamFormat", "TensorCore", "TestSupport",
      ]),
    tests(
      of: "FeatureNetworks",
      [
        "Autograd", "CKernels", "ForeignFiles", "ImageModels", "Images", "LlamaGen", "StreamFormat",
        "TensorCore",
        "TestSupport",
      ]),
    tests(
      of: "VQGAN",
      [
        "Autograd", "FeatureNetworks", "ForeignFiles", "ImageModels", "LlamaGen", "StreamFormat",
        "TensorCore", "TestSupport",
      ]),
    tests(
      of: "VAR",
      [
        "Autograd", "ForeignFiles", "IAR", "ImageModels", "LlamaGen", "StreamFormat", "TensorCore",
        "TestSupport",
        "VQGAN",
      ]),
    tests(
      of: "LlamaGen",
      ["ForeignFiles", "IAR", "ImageModels", "StreamFormat", "TensorCore", "TestSupport"]),
    tests(
      of: "CTF",
      ["Autograd", "Codebooks", "ImageModels", "NeuralNet", "StreamFormat", "TensorCore", "TestSupport"]),
    tests(of: "STAR", ["Autograd", "StreamFormat", "TensorCore", "TestSupport"]),
    tests(
      of: "Datasets",
      ["Autograd", "CArchive", "ForeignFiles", "Images", "StreamFormat", "TensorCore", "TestSupport"]),
    tests(
      of: "Evaluation",
      [
        "Autograd", "Codebooks", "Datasets", "ImageModels", "StreamFormat", "TensorCore", "TestSupport",
      ]),
    tests(
      of: "Training",
      [
        "Autograd", "Communication", "Datasets", "IAR", "ImageModels", "Images", "LlamaGen", "NeuralNet",
        "STAR",
        "StreamFormat", "TensorCore", "TestRanks", "TestSupport", "VQGAN",
      ]),
    tests(of: "ToolRuntime", [argumentParser, "StreamFormat", "TestSupport"]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: ["ForeignFiles", "Images", "Metrics", "StreamFormat", "TensorCore", "TestSupport"]
        + tools.map { .target(name: $0.name) },
      // These tests start tools and wait for them: optimising them takes minutes and gains nothing.
      swiftSettings: [.unsafeFlags(["-Onone"])]),
  ]

let package = Package(
  name: "tessera",
  traits: [
    .default(enabledTraits: ["OneDNN"]),
    .trait(name: "OneDNN", description: "Matrix products and convolutions through oneDNN."),
    .trait(name: "MPI", description: "Training on several machines through MPI."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: c + numbers + knowledge + files + models + methods + work + commandLine + tools + testTargets
)
