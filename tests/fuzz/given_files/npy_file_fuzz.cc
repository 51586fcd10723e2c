// A hostile .npy file, as ids, documents and matrices are read.
#include "storage/exchange/npy_file.h"
#include "storage/formats/matrix_file.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace actkin;
  static const MemoryFile memory;
  memory.Write({reinterpret_cast<const char*>(data), size});
  AllowError([] {
    const NpyFile file(memory.path());
    Touch(file.bytes());
    if (!file.is_integer()) return;
    for (std::uint64_t i = 0; i < file.count(); ++i) AllowError([&] { file.Whole(i); });
  });
  AllowError([] {
    const MatrixFile matrix{NpyFile(memory.path())};
    std::vector<float> row(matrix.columns());
    matrix.Expect({0, matrix.rows()});
    for (std::uint64_t i = 0; i < matrix.rows(); ++i) matrix.ReadRows({i, i + 1}, row);
    matrix.Forget({0, matrix.rows()});
  });
  return 0;
}
