import FoundationEssentials
import Glibc
import StreamFormat

/// What a pickle can hold here: plain values and arrays of numbers, nothing that acts.
indirect enum PickleValue {
  case none
  case bool(Bool)
  case integer(Int)
  /// An integer beyond 64 bits, as its little-endian bytes.
  case bigInteger([UInt8])
  case number(Double)
  case string(String)
  case bytes(Data)
  /// `depth` counts the tuples inside one another, so that it can be bounded.
  case tuple([PickleValue], depth: Int)
  case list(PickleList)
  case dictionary(PickleDictionary)
  case global(PickleGlobal)
  /// A numpy array, which becomes whole by a later opcode.
  case array(PickleArray)
  case elementType(PickleElementType)
  case storage(PickleStorage)
  case tensor(PickleTensor)
  /// Stands for an object of a known type that has nothing to do with arrays, such as a path; it does nothing.
  case inert

  var tupleDepth: Int { if case .tuple(_, let depth) = self { depth } else { 0 } }

  /// The value's kind, for messages.
  var kind: String {
    switch self {
    case .none: "None"
    case .bool: "a truth value"
    case .integer, .bigInteger: "an integer"
    case .number: "a number"
    case .string: "a string"
    case .bytes: "bytes"
    case .tuple: "a tuple"
    case .list: "a list"
    case .dictionary: "a dictionary"
    case .global(let global): global.rawValue
    case .array: "an array"
    case .elementType: "an element type"
    case .storage: "a storage"
    case .tensor: "a tensor"
    case .inert: "an object"
    }
  }

  var asInteger: Int? { if case .integer(let value) = self { value } else { nil } }
  var asString: String? { if case .string(let value) = self { value } else { nil } }
  var asTuple: [PickleValue]? { if case .tuple(let values, _) = self { values } else { nil } }
  /// A tuple of integers.
  var asIntegers: [Int]? {
    guard let values = asTuple else { return nil }
    let integers = values.compactMap(\.asInteger)
    return integers.count == values.count ? integers : nil
  }
}

/// A list that opcodes still append to.
final class PickleList {
  var items: [PickleValue] = []
}

/// A dictionary that opcodes still add to; keys may repeat, and the last one counts.
final class PickleDictionary {
  var entries: [(key: PickleValue, value: PickleValue)] = []
}

/// A numpy array; its state arrives after it was made.
final class PickleArray {
  var tensor: PickleTensor?
}

/// A numpy element type; its byte order arrives after it was made.
final class PickleElementType {
  let type: ElementType
  init(_ type: ElementType) { self.type = type }
}

/// Where the elements of torch tensors are.
struct PickleStorage {
  var key: String
  var type: ElementType
  var elementCount: Int
}

/// An array of numbers somewhere in a file: elements `offset + sum(index * stride)` of its source.
struct PickleTensor {
  enum Source {
    case storage(PickleStorage)
    case bytes(Data, ElementType)
  }
  var source: Source
  var offset: Int
  var shape: [Int]
  var strides: [Int]
}

/// Every name that a pickle may refer to.
enum PickleGlobal: String {
  case orderedDictionary = "collections.OrderedDict"
  case namespace = "argparse.Namespace"
  case counter = "collections.Counter"
  case encode = "_codecs.encode"
  case torchSize = "torch.Size"
  case rebuildTensor = "torch._utils._rebuild_tensor"
  case rebuildTensorV2 = "torch._utils._rebuild_tensor_v2"
  case rebuildParameter = "torch._utils._rebuild_parameter"
  case numpyReconstruct = "numpy.core.multiarray._reconstruct"
  case numpyReconstruct2 = "numpy._core.multiarray._reconstruct"
  case numpyFromBuffer = "numpy.core.numeric._frombuffer"
  case numpyFromBuffer2 = "numpy._core.numeric._frombuffer"
  case numpyScalar = "numpy.core.multiarray.scalar"
  case numpyScalar2 = "numpy._core.multiarray.scalar"
  case numpyArray = "numpy.ndarray"
  case numpyType = "numpy.dtype"
  case float64 = "torch.DoubleStorage"
  case float32 = "torch.FloatStorage"
  case float16 = "torch.HalfStorage"
  case bfloat16 = "torch.BFloat16Storage"
  case int64 = "torch.LongStorage"
  case int32 = "torch.IntStorage"
  case int16 = "torch.ShortStorage"
  case int8 = "torch.CharStorage"
  case uint8 = "torch.ByteStorage"
  case bool = "torch.BoolStorage"
  case set = "builtins.set"
  case set2 = "__builtin__.set"
  case frozenSet = "builtins.frozenset"
  case frozenSet2 = "__builtin__.frozenset"
  case device = "torch.device"
  case posixPath = "pathlib.PosixPath"
  case posixPath2 = "pathlib._local.PosixPath"
  case windowsPath = "pathlib.WindowsPath"
  case windowsPath2 = "pathlib._local.WindowsPath"
  case purePosixPath = "pathlib.PurePosixPath"
  case purePosixPath2 = "pathlib._local.PurePosixPath"
  case pureWindowsPath = "pathlib.PureWindowsPath"
  case pureWindowsPath2 = "pathlib._local.PureWindowsPath"
  case typeBFloat16 = "torch.bfloat16"
  case typeFloat16 = "torch.float16"
  case typeFloat32 = "torch.float32"
  case typeFloat64 = "torch.float64"
  case typeInt8 = "torch.int8"
  case typeInt16 = "torch.int16"
  case typeInt32 = "torch.int32"
  case typeInt64 = "torch.int64"
  case typeUInt8 = "torch.uint8"
  case typeBool = "torch.bool"

  /// The elements of a torch storage of this name.
  var storageType: ElementType? {
    switch self {
    case .float64: .float64
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .int64: .int64
    case .int32: .int32
    case .int16: .int16
    case .int8: .int8
    case .uint8: .uint8
    case .bool: .bool
    default: nil
    }
  }

  /// True of the types whose objects stand in checkpoints' settings, and are replaced by ``PickleValue/inert``.
  var isInert: Bool {
    switch self {
    case .device, .posixPath, .posixPath2, .windowsPath, .windowsPath2, .purePosixPath, .purePosixPath2,
      .pureWindowsPath, .pureWindowsPath2:
      true
    default: false
    }
  }
}
