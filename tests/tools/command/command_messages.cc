#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

#include "tests/tools/command/command_server.h"

namespace actkin {

namespace {

// A message with room for the descriptors that come with it.
struct Message {
  Message() {
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
  }

  char byte = 0;
  iovec vector{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ServedStreams::descriptors))] = {};
  msghdr header{};
};

}  // namespace

std::string ServedRequest::Text() const {
  std::string text;
  for (const std::string& argument : arguments) text += "a" + argument + '\0';
  for (const std::string& variable : environment) text += "e" + variable + '\0';
  return text;
}

ServedRequest ServedRequest::Parse(const std::string& text) {
  ServedRequest request;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\0', begin);
    (text[begin] == 'a' ? request.arguments : request.environment).push_back(text.substr(begin + 1, end - begin - 1));
    begin = end + 1;
  }
  return request;
}

bool SendStreams(int socket, const ServedStreams& streams) {
  Message message;
  cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof(streams.descriptors));
  std::memcpy(CMSG_DATA(control), streams.descriptors.data(), sizeof(streams.descriptors));
  return ::sendmsg(socket, &message.header, MSG_NOSIGNAL) == 1;
}

bool ReceiveStreams(int socket, ServedStreams& streams) {
  Message message;
  if (::recvmsg(socket, &message.header, 0) != 1) return false;
  const cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  if (control == nullptr || control->cmsg_len != CMSG_LEN(sizeof(streams.descriptors))) return false;
  std::memcpy(streams.descriptors.data(), CMSG_DATA(control), sizeof(streams.descriptors));
  return true;
}

}  // namespace actkin
